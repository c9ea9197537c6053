"""The marks of parts, from the journal's events and from the records of the album's pictures."""

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
    """A part that somebody marked. journal: a whole uuid. picture and its record: None where the
    album has none, or ``fault`` says what is wrong with it. The pixels were not looked at yet."""

    station: str
    journal: str
    part_id: int
    marks: dict[str, Mark] = field(default_factory=dict)
    picture: Path | None = None
    record: PictureRecord | None = None
    fault: str = ""

    @property
    def in_order(self) -> tuple[Mark, ...]:
        """The oldest first, by the clock on the wall."""
        return tuple(sorted(self.marks.values(), key=lambda mark: (mark.utc, mark.id)))


@dataclass(frozen=True, slots=True)
class MarkedParts:
    """parts: those with a claim among their marks. unreadable: pictures of the album of which
    nobody can say whether they are marked, one line each."""

    parts: tuple[MarkedPart, ...]
    unreadable: tuple[str, ...]


def find_marked(journal: Path, album: Path) -> MarkedParts:
    """Read both; neither is changed. Blocks for one pass through the journal and the album. Raises
    JournalError, PictureError."""
    found = {(each.journal, each.part_id): each for each in journalled_marks(journal)}
    by_name = {(each.journal[:8], each.part_id): each for each in found.values()}
    unreadable: list[str] = []
    for name in list_pictures(album):
        known = by_name.get((name.journal, name.part_id))
        try:
            record = _record(name, read_bounded(album / str(name)))
        except OutfeedError as error:
            if known is not None:
                known.fault = str(error)
            else:
                unreadable.append(str(error))
            continue
        if not record.marks and known is None:
            continue
        part = found.setdefault(
            (record.journal, record.part_id),
            MarkedPart(record.station, record.journal, record.part_id),
        )
        part.marks |= {mark.id: mark for mark in record.marks if mark.part_id == record.part_id}
        part.picture, part.record, part.fault = album / str(name), record, ""
    claimed = (p for p in found.values() if any(m.kind in _CLAIMS for m in p.marks.values()))
    parts = tuple(sorted(claimed, key=lambda part: (part.journal, part.part_id)))
    return MarkedParts(parts, tuple(unreadable))


def journalled_marks(journal: Path) -> Iterable[MarkedPart]:
    """The parts of which the journal has a mark; none where there is no journal. Raises
    JournalError."""
    found: dict[int, MarkedPart] = {}
    position: JournalPosition | None = None
    with JournalReader(journal) as reader:
        while rows := reader.read(position, _READ_ROWS):
            for row in rows:
                if '"outfeed.mark/1"' not in row.body:
                    continue
                _, event = parse_payload(row.payload)
                if not isinstance(event, MarkEvent):
                    continue
                part = found.setdefault(
                    event.part_id, MarkedPart(row.station, row.journal, event.part_id)
                )
                part.marks[event.mark_id] = Mark(
                    event.mark_id, event.part_id, event.mark, event.note, event.marked_utc
                )
            position = rows[-1].position
    return found.values()


def _record(name: PictureName, data: bytes) -> PictureRecord:
    """Of a picture whose name says the same."""
    record = parse_record(picture_text(data, name=str(name)), name=str(name))
    if (record.journal[:8], record.part_id) != (name.journal, name.part_id):
        raise OutfeedError(f"{name}: its record is of another part")
    return record
