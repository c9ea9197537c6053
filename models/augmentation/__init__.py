"""Augmentation of training pictures: crops, synthetic defects, copy-paste and corruption."""
