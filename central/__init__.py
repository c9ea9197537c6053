"""The central side of Outfeed: collector, database and web pages for the events of all stations.

``store`` keeps events in SQLite or PostgreSQL, ``collector`` receives them over MQTT and
acknowledges what the database has committed, ``web`` shows them. ``edge`` imports nothing of it.
"""
