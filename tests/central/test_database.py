"""The end of a database while other threads still use it."""

from __future__ import annotations

import gc
import threading

from sqlalchemy import event, text

from central.config.sections import DatabaseConfig
from central.store.database import Database, StoreError


def test_a_transaction_that_outlives_close_leaves_no_connection(
    database_config: DatabaseConfig,
) -> None:
    # The collector does so where the database is too slow for the time that its end may take.
    database = Database(database_config)
    closed: list[object] = []
    event.listen(database.engine, "close", lambda connection, _: closed.append(connection))
    begun, may_end = threading.Event(), threading.Event()
    refused: list[str] = []

    def work() -> None:
        with database.write() as connection:
            connection.execute(text("CREATE TABLE late (number INTEGER)"))
            begun.set()
            assert may_end.wait(30)
        for transaction in (database.write, database.read):
            try:
                with transaction():
                    pass
            except StoreError as error:
                refused.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(30)
    database.close()
    database.close()
    assert closed == []
    may_end.set()
    thread.join(30)
    gc.collect()  # an open connection of psycopg would warn here, and warnings are errors
    assert len(closed) == 1
    assert refused == [f"{database.name}: is closed"] * 2
    again = Database(database_config)
    with again.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM late")).scalar() == 0
    again.close()
