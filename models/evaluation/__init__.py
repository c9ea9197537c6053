"""Evaluation: metrics, operating points and scores of a chain on annotated pictures."""
