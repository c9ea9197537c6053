"""Classification of whole pictures by kind: a CNN with dropout, SVM, KNN, BP network and MLP.

Source: "Using Convolution Neural Network for Defective Image Classification of Industrial
Components", Mobile Information Systems 2021, 9092589; "the paper" in this package.
docs/benchmarks/image-level.md lists what the paper leaves open, and the choices made here.
"""
