"""The ladder: the sizes of the detector from nano to extra-large, and the largest within a budget.

Time depends on the architecture, the size of the picture and the machine, and not on the weights.
So an untrained int8 network of each rung is timed before the training (export/ladder).
"""
