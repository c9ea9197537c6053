"""A detector that compares each pixel with the background, without a network."""
