"""The decision about each event of a batch: new, repeated, or in contradiction to others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from central.store.coverage import KnownAs
from central.store.message import EventMessage, RefusedMessage, parse_utc
from central.store.registry import JournalKey, LockedJournal
from central.store.rows import DerivedRows, EventPlace, Row, UnstorableError, storable_text
from central.store.tables import events

_GAP_TYPE = "outfeed.gap/1"
_Identity = tuple[int, str, int]


@dataclass(slots=True)
class BatchContents:
    """A batch while it is written. seen: checksums of stored events, by identity."""

    derived: DerivedRows = field(default_factory=DerivedRows)
    events: list[Row] = field(default_factory=list)
    refused: list[RefusedMessage] = field(default_factory=list)
    conflicts: dict[tuple[int, int, str, str, str], list[int]] = field(default_factory=dict)
    seen: dict[_Identity, set[int]] = field(default_factory=lambda: defaultdict(set))
    counts: Counter[str] = field(default_factory=Counter)


def look_up(
    connection: Connection,
    batch: BatchContents,
    arrived: Sequence[EventMessage],
    journals: dict[JournalKey, LockedJournal],
) -> None:
    """Read the checksums of stored events that may be repeated in this batch."""
    wanted: dict[int, set[int]] = defaultdict(set)
    for each in arrived:
        journal = journals.get((each.station, each.journal))
        if journal is not None and each.replaced is None:
            relation = journal.coverage.relation(each.run, each.sequence)
            if relation in (KnownAs.REPEAT, KnownAs.MERGED):
                wanted[journal.journal_id].add(each.sequence)
    for journal_id, sequences in wanted.items():
        statement = select(events.c.run, events.c.sequence, events.c.crc).where(
            events.c.journal_id == journal_id,
            events.c.sequence.in_(sequences),
            events.c.type != _GAP_TYPE,
        )
        for run, sequence, crc in connection.execute(statement):
            batch.seen[journal_id, run, sequence].add(crc)


def accept(batch: BatchContents, read: EventMessage, journal: LockedJournal) -> None:
    """Store an event, or drop it as a repeat."""
    coverage = journal.coverage
    identity = (journal.journal_id, read.run, read.sequence)
    known = batch.seen.get(identity, set())
    if read.replaced is not None:
        _accept_gap(batch, read, read.replaced, journal)
        return
    relation = coverage.relation(read.run, read.sequence)
    if relation is KnownAs.SCATTERED:
        batch.counts["scattered"] += 1
        batch.refused.append(RefusedMessage(read.message, "its journal has too many gaps"))
    elif read.crc in known:
        batch.counts["repeats"] += 1
    elif relation is KnownAs.REPEAT or known:
        if not known:
            batch.counts["unproven"] += 1
            return
        _note_conflict(batch, read, journal, "content", "")
        _store(batch, read, journal, "content")
    elif relation is KnownAs.MERGED:
        others = {
            run
            for number, run, sequence in batch.seen
            if (number, sequence) == (journal.journal_id, read.sequence)
        }
        if not others:
            batch.counts["unproven"] += 1
            return
        coverage.share(read.sequence)
        _note_conflict(batch, read, journal, "copy", min(others))
        coverage.add(read.run, read.sequence)
        _store(batch, read, journal, "copy")
    else:
        other = coverage.other_run(read.run, read.sequence)
        coverage.add(read.run, read.sequence)
        if other is not None:
            _note_conflict(batch, read, journal, "copy", other)
        _store(batch, read, journal, "" if other is None else "copy")


def _accept_gap(
    batch: BatchContents, read: EventMessage, replaced: range, journal: LockedJournal
) -> None:
    """Store a gap event, unless everything in its range is accounted for already."""
    if journal.coverage.covers(replaced):
        batch.counts["repeats"] += 1
    elif journal.coverage.add_gap(replaced):
        _store(batch, read, journal, "")
    else:
        batch.counts["scattered"] += 1
        batch.refused.append(RefusedMessage(read.message, "its journal has too many gaps"))


def _store(batch: BatchContents, read: EventMessage, journal: LockedJournal, fault: str) -> None:
    place = EventPlace(journal.station_id, journal.journal_id)
    problem = read.problem
    if not problem and fault != "content":
        try:
            batch.derived.add(read, place)
        except UnstorableError as error:
            problem = str(error)
    if problem:
        fault = "unreadable"
        batch.counts["unreadable"] += 1
        batch.refused.append(RefusedMessage(read.message, f"kept without details: {problem}"))
    event = read.event
    batch.events.append(
        (
            read.message.received_us,
            journal.station_id,
            journal.journal_id,
            read.run,
            read.sequence,
            storable_text("" if event is None else event.type, 100),
            None if event is None else parse_utc(event.utc),
            read.crc,
            fault,
            read.message.payload,
        )
    )
    if read.replaced is None:
        batch.seen[journal.journal_id, read.run, read.sequence].add(read.crc)
    batch.counts["stored"] += 1


def _note_conflict(
    batch: BatchContents, read: EventMessage, journal: LockedJournal, kind: str, other: str
) -> None:
    key = (journal.station_id, journal.journal_id, kind, read.run, other)
    batch.conflicts.setdefault(key, []).append(read.sequence)
    batch.counts["copies" if kind == "copy" else "contents"] += 1
