"""The process that carries the journal to the broker."""
