"""What is wrong with a unit, and what to do about it."""
