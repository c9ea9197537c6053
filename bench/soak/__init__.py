"""`make soak`: a simulated line with every kind of fault, on a simulated clock."""
