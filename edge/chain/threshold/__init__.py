"""The detector "threshold", which compares each pixel with the background, without a network."""
