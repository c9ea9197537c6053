"""Upload of stored pictures to the central system, over HTTPS, in a process of its own."""
