"""Distillation: a detector learns from a teacher beside the labels.

Source: Hinton, Vinyals & Dean 2015 (arXiv:1503.02531) for soft targets; Romero et al. 2015 (ICLR,
FitNets) for features. A teacher is a finished run, whose severity map the student learns, or a
torch state of a published network, whose features it learns to predict.
"""
