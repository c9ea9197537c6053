"""Marked parts: the marks in the journal's events and in the records of stored pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from edge.errors import OutfeedError
from edge.events.event import MarkEvent
from edge.events.identity import JournalPosition, parse_payload
from edge.inbox import Mark
from edge.journal.reader import JournalReader
from edge.pictures.file_name import PictureName, list_pictures
from edge.pictures.png import picture_text
from edge.pictures.record import PictureRecord, parse_record
from edge.quarantine.entry import Claim
from edge.quarantine.index import read_bounded

_READ_ROWS = 1_000
_CLAIMS = get_args(Claim)


@dataclass(slots=True)
class MarkedPart:
    """A part with marks.

    journal: the full UUID. picture, record: the stored picture and its record; None if there is
    none, or if it is unreadable: ``fault`` is then the reason. The pixels are not checked yet.
    """

    station: str
    journal: str
    part_id: int
    marks: dict[str, Mark] = field(default_factory=dict)
    picture: Path | None = None
    record: PictureRecord | None = None
    fault: str = ""

    @property
    def ordered_marks(self) -> tuple[Mark, ...]:
        """The marks, the oldest first by the wall clock."""
        return tuple(sorted(self.marks.values(), key=lambda mark: (mark.utc, mark.id)))


@dataclass(frozen=True, slots=True)
class MarkedParts:
    """The marked parts of a station.

    parts: those with a claim among their marks. unreadable: one line for each stored picture that
    cannot be read, so that its marks are not known.
    """

    parts: tuple[MarkedPart, ...]
    unreadable: tuple[str, ...]


def find_marked(journal: Path, pictures: Path) -> MarkedParts:
    """Return the marked parts of a journal and a picture store. Both are only read.

    Blocks for one pass through both. Raises JournalError and PictureError.
    """
    marked = {(each.journal, each.part_id): each for each in journalled_marks(journal)}
    by_name = {(each.journal[:8], each.part_id): each for each in marked.values()}
    unreadable: list[str] = []
    for name in list_pictures(pictures):
        known = by_name.get((name.journal, name.part_id))
        try:
            record = _record(name, read_bounded(pictures / str(name)))
        except OutfeedError as error:
            if known is not None:
                known.fault = str(error)
            else:
                unreadable.append(str(error))
            continue
        if not record.marks and known is None:
            continue
        part = marked.setdefault(
            (record.journal, record.part_id),
            MarkedPart(record.station, record.journal, record.part_id),
        )
        part.marks |= {mark.id: mark for mark in record.marks if mark.part_id == record.part_id}
        part.picture, part.record, part.fault = pictures / str(name), record, ""
    claimed = (p for p in marked.values() if any(m.kind in _CLAIMS for m in p.marks.values()))
    parts = tuple(sorted(claimed, key=lambda part: (part.journal, part.part_id)))
    return MarkedParts(parts, tuple(unreadable))


def journalled_marks(journal: Path) -> Iterable[MarkedPart]:
    """Return the parts with a mark in the journal; none if there is no journal.

    Raises JournalError.
    """
    marked: dict[int, MarkedPart] = {}
    position: JournalPosition | None = None
    with JournalReader(journal) as reader:
        while rows := reader.read(position, _READ_ROWS):
            for row in rows:
                if '"outfeed.mark/1"' not in row.body:
                    continue
                _, event = parse_payload(row.payload)
                if not isinstance(event, MarkEvent):
                    continue
                part = marked.setdefault(
                    event.part_id, MarkedPart(row.station, row.journal, event.part_id)
                )
                part.marks[event.mark_id] = Mark(
                    event.mark_id, event.part_id, event.mark, event.note, event.marked_utc
                )
            position = rows[-1].position
    return marked.values()


def _record(name: PictureName, data: bytes) -> PictureRecord:
    """Return the record of a picture, after its part was compared with the file name."""
    record = parse_record(picture_text(data, name=str(name)), name=str(name))
    if (record.journal[:8], record.part_id) != (name.journal, name.part_id):
        raise OutfeedError(f"{name}: its record is of another part")
    return record
