"""The journal: a local SQLite database that stores every event before it is published."""
