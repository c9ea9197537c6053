"""`make soak`: a line on which everything goes wrong, on a clock of its own."""
