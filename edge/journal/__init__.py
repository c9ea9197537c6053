"""The journal: every event of a station in a local SQLite database, written before it is
published."""
