"""A simulated belt, for machines without a line."""
