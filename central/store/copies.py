"""The end of the treatment of journals as copied, after the copied card was replaced."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from central.store.coverage import Coverage, load_ranges
from central.store.tables import conflicts, journals, runs, stations
from edge.errors import UsageError

QUIET_US = 3_600_000_000
"""The time without an event that contradicts another one, after which a copy counts as gone."""


@dataclass(frozen=True, slots=True)
class ForgottenCopy:
    """A journal whose copy is forgotten. shared_from: the first number that two runs shared.

    complete_to: up to this number the statement covers every run now. conflicts: the events that
    contradicted others.
    """

    journal: str
    shared_from: int | None
    complete_to: int
    conflicts: int


def forget_copies(connection: Connection, station: str, now_us: int) -> tuple[ForgottenCopy, ...]:
    """Treat the journals of a station as not copied from now on, and return what they were.

    All stored events stay. The rows of the conflicts are removed, so the caller records the result
    in the audit log. An event that contradicts another one after this makes the journal a copied
    one again. Raises UsageError where no journal of the station was copied, and where one still has
    contradicting events within the last hour: the copy is in use then.
    """
    number = connection.execute(select(stations.c.id).where(stations.c.name == station)).scalar()
    if number is None:
        raise UsageError(f"there is no station {station[:80]!r}")
    found = connection.execute(
        select(journals.c.id, journals.c.uuid, journals.c.version, journals.c.shared_from)
        .where(journals.c.station_id == number)
        .order_by(journals.c.id)
        .with_for_update()
    ).all()
    forgotten = []
    for row in found:
        own = conflicts.c.journal_id == row.id
        seen = connection.execute(select(conflicts.c.count, conflicts.c.last_us).where(own)).all()
        if row.shared_from is None and not seen:
            continue
        if any(each[1] > now_us - QUIET_US for each in seen):
            raise UsageError(
                f"station {station!r} sent contradicting events within the last hour: replace the "
                "copied card first, and ask again an hour later"
            )
        complete_to = _reset(connection, row.id, row.version, now_us)
        connection.execute(delete(conflicts).where(own))
        total = sum(int(each[0]) for each in seen)
        forgotten.append(ForgottenCopy(row.uuid, row.shared_from, complete_to, total))
    if not forgotten:
        raise UsageError(f"no journal of station {station[:80]!r} is known as copied")
    return tuple(forgotten)


def _reset(connection: Connection, journal_id: int, version: int, now_us: int) -> int:
    """Write the coverage of a locked journal without a shared number. Return its complete_to.

    The next version lets each collector read it again.
    """
    rows = connection.execute(select(runs.c.run, runs.c.ranges).filter_by(journal_id=journal_id))
    coverage = Coverage({run: load_ranges(text) for run, text in rows})
    connection.execute(
        update(journals)
        .where(journals.c.id == journal_id)
        .values(
            version=version + 1,
            shared_from=None,
            complete_to=coverage.complete_to,
            updated_us=now_us,
        )
    )
    return coverage.complete_to
