"""The writer of batches: one transaction for the events, their rows, figures and coverage."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.exc import DBAPIError

from central.store.acceptance import BatchContents, accept, look_up
from central.store.bulk import add_sums, insert_rows
from central.store.command_tables import command_answers
from central.store.database import Database, is_temporary
from central.store.health import dump_certificates, dump_disks
from central.store.message import (
    BrokerMessage,
    EventMessage,
    ReadMessage,
    RefusedMessage,
    StatusMessage,
    parse_utc,
    read_message,
)
from central.store.partitions import Partitions, day_of
from central.store.registry import (
    JournalKey,
    LockedJournal,
    Registry,
    StaleRegistryError,
    insert_or_skip,
    save_coverage,
)
from central.store.rollout_tables import system_reports, update_reports
from central.store.rows import Row, storable_text
from central.store.tables import (
    conflicts,
    counters,
    events,
    marks,
    refused,
    rollup_kinds,
    rollups,
    stations,
)

MAX_REFUSED = 10_000
"""The refused messages that are kept; older ones are removed."""

_REFUSED_BYTES = 2048

# A station that crashed may journal them twice.
_REPEATED = (marks, command_answers, update_reports, system_reports)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of a committed batch.

    journals: the journals whose coverage may have changed. statuses: the stations whose status has
    arrived, with the journal that each names. counts: the numbers of messages by outcome: stored,
    repeats, unproven (repeats whose first event is no longer kept), copies, contents (repeats with
    other content), unreadable, scattered, statuses, refused.
    """

    journals: tuple[JournalKey, ...] = ()
    statuses: tuple[tuple[str, str], ...] = ()
    counts: Counter[str] = field(default_factory=Counter)


class BatchWriter:
    """Writes batches of messages to the database. For one thread.

    Several writers may write to one PostgreSQL database.
    """

    def __init__(self, database: Database, registry: Registry, *, prefix: str) -> None:
        """prefix: the beginning of all topics."""
        self._database = database
        self._registry = registry
        self._partitions = Partitions(database)
        self._prefix = prefix

    def write(self, messages: Sequence[BrokerMessage]) -> BatchResult:
        """Write a batch in one transaction, and return its result after the commit.

        A message that the database cannot store is put with the refused ones. Blocks. Raises
        DBAPIError where the whole batch may succeed later; nothing is written then.
        """
        try:
            return self._transact([read_message(each, self._prefix) for each in messages])
        except StaleRegistryError:
            self._partitions.forget()
            return self._transact([read_message(each, self._prefix) for each in messages])
        except (DBAPIError, OverflowError, UnicodeError) as error:
            self._partitions.forget()
            if isinstance(error, DBAPIError) and is_temporary(error):
                raise
            return self._write_halves(messages, error)

    def _write_halves(self, messages: Sequence[BrokerMessage], error: Exception) -> BatchResult:
        """Write the messages of a batch that has a value which the database refuses."""
        if len(messages) == 1:
            reason = f"the database refuses it: {type(error).__name__}"
            return self._transact([RefusedMessage(messages[0], reason)])
        middle = len(messages) // 2
        first, second = self.write(messages[:middle]), self.write(messages[middle:])
        return BatchResult(
            tuple(dict.fromkeys(first.journals + second.journals)),
            tuple(dict.fromkeys(first.statuses + second.statuses)),
            first.counts + second.counts,
        )

    def _transact(self, read: Sequence[ReadMessage]) -> BatchResult:
        self._partitions.ensure({day_of(each.message.received_us) for each in read})
        try:
            with self._database.write() as connection:
                result, locked = self._write(connection, read)
        except BaseException:
            self._registry.forget()
            raise
        for each in locked:
            self._registry.remember(each.journal_id, each.version, each.coverage)
        return result

    def _write(
        self, connection: Connection, read: Sequence[ReadMessage]
    ) -> tuple[BatchResult, list[LockedJournal]]:
        now_us = max((each.message.received_us for each in read), default=0)
        batch = BatchContents(refused=[each for each in read if isinstance(each, RefusedMessage)])
        statuses = [each for each in read if isinstance(each, StatusMessage)]
        arrived = [each for each in read if isinstance(each, EventMessage)]
        names = {each.station for each in arrived} | {each.status.station for each in statuses}
        station_ids = self._registry.stations(connection, names, now_us)
        keys = {(each.station, each.journal) for each in arrived}
        journals = self._registry.lock(connection, keys, station_ids)
        look_up(connection, batch, arrived, journals)
        for each in arrived:
            journal = journals.get((each.station, each.journal))
            if journal is None:
                batch.refused.append(RefusedMessage(each.message, "too many stations or journals"))
            else:
                accept(batch, each, journal)
        _save_stations(connection, arrived, statuses, station_ids)
        _save(connection, batch, now_us)
        for locked in journals.values():
            save_coverage(connection, locked, now_us)
        batch.counts["statuses"] += len(statuses)
        batch.counts["refused"] += len(batch.refused)
        pairs = [(each.status.station, each.status.journal) for each in statuses]
        result = BatchResult(tuple(journals), tuple(dict.fromkeys(pairs)), batch.counts)
        return result, list(journals.values())


def _save_stations(
    connection: Connection,
    arrived: Sequence[EventMessage],
    statuses: Sequence[StatusMessage],
    station_ids: dict[str, int],
) -> None:
    changes: dict[int, dict[str, object]] = defaultdict(dict)
    for read in arrived:
        if read.station in station_ids:
            changes[station_ids[read.station]]["seen_us"] = read.message.received_us
    for each in statuses:
        status = each.status
        if status.station in station_ids:
            changes[station_ids[status.station]].update(
                state=status.state,
                cause=status.cause,
                version=storable_text(status.version, 100),
                bundle=storable_text(status.bundle or "", 200),
                journal=status.journal,
                published=min(max(status.published, 0), 1 << 53),
                undelivered=min(max(status.undelivered, 0), 1 << 53),
                unheard=min(max(status.unheard, 0), 1 << 53),
                note=storable_text(status.note),
                certificates=dump_certificates(status),
                disks=dump_disks(status),
                system_version=storable_text(status.system.version, 100) if status.system else "",
                system_slot=storable_text(status.system.slot, 1) if status.system else "",
                status_us=each.message.received_us,
                status_utc_us=parse_utc(status.utc),
            )
    for station_id, values in sorted(changes.items()):
        connection.execute(update(stations).where(stations.c.id == station_id).values(values))


def _save(connection: Connection, batch: BatchContents, now_us: int) -> None:
    insert_rows(connection, events, batch.events)
    for table, rows in batch.derived.rows.items():
        if table in _REPEATED:
            names = [column.name for column in table.columns]
            listed = [dict(zip(names, row, strict=True)) for row in rows]
            insert_or_skip(connection, table, listed)
        else:
            insert_rows(connection, table, rows)
    add_sums(connection, rollups, ("station_id", "minute", "bundle"), batch.derived.minutes)
    add_sums(connection, rollup_kinds, ("station_id", "minute", "kind"), batch.derived.kinds)
    for key, sequences in sorted(batch.conflicts.items()):
        _save_conflict(connection, key, sequences, now_us)
    _save_refused(connection, batch.refused)
    rare = {name: batch.counts[name] for name in ("repeats", "unproven") if batch.counts[name]}
    if batch.refused:
        rare["refused"] = len(batch.refused)
    add_sums(connection, counters, ("name",), {(name,): {"value": n} for name, n in rare.items()})


def _save_conflict(
    connection: Connection, key: tuple[int, int, str, str, str], sequences: list[int], now_us: int
) -> None:
    station_id, journal_id, kind, run, other = key
    where = (
        (conflicts.c.journal_id == journal_id)
        & (conflicts.c.kind == kind)
        & (conflicts.c.run == run)
        & (conflicts.c.other_run == other)
    )
    known = connection.execute(select(conflicts.c.first, conflicts.c.last).where(where)).first()
    if known is None:
        row = {
            "station_id": station_id,
            "journal_id": journal_id,
            "kind": kind,
            "run": run,
            "other_run": other,
            "first": min(sequences),
            "last": max(sequences),
            "count": len(sequences),
            "first_us": now_us,
            "last_us": now_us,
        }
        connection.execute(conflicts.insert().values(row))
        return
    connection.execute(
        conflicts.update()
        .where(where)
        .values(
            first=min(known[0], *sequences),
            last=max(known[1], *sequences),
            count=conflicts.c.count + len(sequences),
            last_us=now_us,
        )
    )


def _save_refused(connection: Connection, messages: Sequence[RefusedMessage]) -> None:
    if not messages:
        return
    rows: list[Row] = [
        (
            each.message.received_us,
            storable_text(each.message.topic, 200),
            storable_text(each.reason),
            len(each.message.payload),
            each.message.payload[:_REFUSED_BYTES],
        )
        for each in messages
    ]
    insert_rows(connection, refused, rows)
    newest = connection.execute(select(func.max(refused.c.id))).scalar_one()
    connection.execute(delete(refused).where(refused.c.id <= newest - MAX_REFUSED))
