"""Training of the template detector: golden images, one per variant."""
