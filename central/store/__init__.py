"""The database of the central system: its tables, the writer of batches, and queries.

Columns named ``*_us`` are microseconds since 1970-01-01 UTC. ``received_us`` is the clock of the
central system, ``utc_us`` the clock of the station as it was sent.
"""
