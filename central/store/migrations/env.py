"""The environment of alembic: it runs the migrations on the connection of ``schema.migrate``.

The connection is in a transaction already. Tables can be changed in a transaction by SQLite and by
PostgreSQL, so a migration is done completely or not at all.

For a developer: `alembic` itself is not configured in this project. A new migration is a module in
``versions`` that is written by hand. ``tests/central/test_schema.py`` compares the tables that the
migrations make with ``central/store/tables.py``, on SQLite and on PostgreSQL.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from central.store import access_tables, drills, plant_tables, rollout_tables
from central.store.tables import metadata

# Its tables are part of the metadata once it is imported.
_OWN = (access_tables, drills, plant_tables, rollout_tables)


def run() -> None:
    """Run the migrations that the command asked for."""
    connection = context.config.attributes["connection"]
    assert isinstance(connection, Connection)
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transactional_ddl=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


# alembic imports this module in order to run it. Another import has no context.
if getattr(context, "_proxy", None) is not None:
    run()
