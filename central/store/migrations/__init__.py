"""The migrations of the database, which alembic runs in order."""
