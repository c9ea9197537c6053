"""The comparison of journals and database: which events are lost, doubled or unknown."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from central.config.sections import DatabaseConfig
from central.store.database import Database
from central.store.tables import conflicts, events, journals, parts
from edge.events.identity import JournalPosition, StoredEvent
from edge.journal.reader import JournalReader

_ROWS = 5_000
_Identity = tuple[str, str, int, int]
"""Journal, run, sequence number, and CRC-32 of the payload."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The events in the journals and in the database.

    lost: in a journal, and not in the database. doubled: more than once in the database. unknown:
    in the database and in no journal, without gap events. parts: rows of parts. copies: conflicts
    of two runs with one number.
    """

    journalled: int
    stored: int
    lost: int
    doubled: int
    unknown: int
    gaps: int
    parts: int
    copies: int

    @property
    def is_right(self) -> bool:
        """True if every event is there once, with its row of a part."""
        wrong = self.lost or self.doubled or self.unknown
        return not wrong and self.parts == self.stored - self.gaps


def compare(folders: Iterable[Path], settings: DatabaseConfig) -> Comparison:
    """Compare the journals in these folders with the database. Blocks. Raises OutfeedError."""
    expected: Counter[_Identity] = Counter()
    for folder in folders:
        for row in _journal(folder / "journal.sqlite"):
            expected[row.journal, row.run, row.sequence, zlib.crc32(row.payload)] = 1
    found: Counter[_Identity] = Counter()
    gaps = 0
    database = Database(settings)
    try:
        with database.read() as connection:
            columns = (journals.c.uuid, events.c.run, events.c.sequence, events.c.type)
            rows = connection.execute(
                select(*columns, events.c.payload).join(
                    journals, journals.c.id == events.c.journal_id
                )
            )
            for uuid, run, sequence, kind, payload in rows:
                identity = (uuid, run, sequence, zlib.crc32(bytes(payload)))
                found[identity] += 1
                gaps += kind == "outfeed.gap/1"
                if kind == "outfeed.gap/1" and identity not in expected:
                    expected[identity] = 1
            part_rows = len(connection.execute(select(parts.c.sequence)).all())
            copied = select(func.coalesce(func.sum(conflicts.c.count), 0))
            copies = int(connection.execute(copied.where(conflicts.c.kind == "copy")).scalar_one())
    finally:
        database.close()
    return Comparison(
        journalled=len(expected),
        stored=sum(found.values()),
        lost=len(expected.keys() - found.keys()),
        doubled=sum(count - 1 for count in found.values()),
        unknown=len(found.keys() - expected.keys()),
        gaps=gaps,
        parts=part_rows,
        copies=copies,
    )


def _journal(path: Path) -> Iterable[StoredEvent]:
    position: JournalPosition | None = None
    with JournalReader(path) as reader:
        while rows := reader.read(position, _ROWS):
            yield from rows
            position = rows[-1].position
