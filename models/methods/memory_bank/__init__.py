"""A memory bank of good parts' features: the distance to the nearest ones is severity."""
