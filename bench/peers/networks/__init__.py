"""Networks of other methods, with random weights: their time, not their accuracy.

Each is an nn.Module that takes normalised pixels N×3×H×W and returns what the method calculates on
the device, up to its map or its raw boxes. Tests compare the numbers of weights with the published
ones.
"""
