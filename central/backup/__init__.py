"""Backups of the database, and drills that restore them."""
