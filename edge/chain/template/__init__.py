"""The detector "template", which compares a part with golden images, without a network."""
