"""`make chaos`: random faults on a real line, checked against records of the environment."""
