"""Random SIGKILLs from journal to database, and a comparison of both (decision 63)."""
