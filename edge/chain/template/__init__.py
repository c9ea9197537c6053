"""A detector that compares a part with golden images, without a network."""
