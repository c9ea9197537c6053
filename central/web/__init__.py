"""The web pages of the central system: HTML from the server, JSON, and server-sent events."""
