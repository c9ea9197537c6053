"""Training of the threshold detector: distance from the background."""
