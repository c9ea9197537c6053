"""`make chaos`: a real line under random faults, judged by records that the line does not write."""
