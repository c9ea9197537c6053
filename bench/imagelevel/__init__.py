"""Which kind a whole picture shows: a CNN with dropout against SVM, KNN, BP network and MLP.

After "Using Convolution Neural Network for Defective Image Classification of Industrial
Components", Mobile Information Systems 2021, 9092589; "the paper" in this package. What it leaves
open and what was chosen for it: docs/benchmarks/image-level.md.
"""
