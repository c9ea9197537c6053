"""The checks of a restored database."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from central.access.audit import AuditError, verify
from central.backup.facts import BackupError, BackupFacts, count_again, find_difference
from central.store.database import Database, StoreError
from central.store.queries import read_wall
from central.store.schema import migrate
from central.store.search import PartSearch, find_parts
from edge.validation_messages import one_line


def check_restored(database: Database, least: BackupFacts, most: BackupFacts, now_us: int) -> int:
    """Check that a restored database has what its backup had, and return the rows compared.

    The numbers of rows come first. Then the tables are brought to the version of this program, as
    a real restoration would do. The whole audit log is verified, and the queries of the wall page
    and of the page of parts are run. Blocks. Raises BackupError with one line.

    Args:
        database: The scratch database. It is changed.
        least: The figures before the backup.
        most: The figures after the backup.
        now_us: The present moment, in microseconds since 1970 UTC.
    """
    try:
        with database.read() as connection:
            counted = count_again(connection, least)
        if difference := find_difference(counted, least, most):
            raise BackupError(difference)
        migrate(database)
        with database.read() as connection:
            last = verify(connection, least.audit_head)
            if last is not None and last.sequence > most.audit_sequence:
                raise BackupError(f"audit: row {last.sequence} is newer than the backup")
            read_wall(connection, now_us)
            find_parts(connection, PartSearch())
    except (StoreError, AuditError) as error:
        raise BackupError(one_line(error)) from error
    except DBAPIError as error:
        raise BackupError(one_line(error.orig)) from error
    return sum(each or 0 for each in counted.values())
