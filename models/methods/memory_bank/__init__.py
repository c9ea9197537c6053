"""A feature memory bank: severity is the distance from the features of good parts."""
