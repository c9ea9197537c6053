"""Comparison of every method on every data set: accuracy, cost and robustness."""
