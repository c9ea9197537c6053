"""The comparison of a picture's record with the journalled event of its part."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from edge.events.event import PartEvent, part_event
from edge.events.identity import JournalPosition, parse_payload
from edge.journal.reader import JournalReader
from edge.pictures.record import PictureRecord

_READ_ROWS = 1_000
# Keys of the event that have no counterpart in the record.
_EVENT_KEYS = {"utc", "boot_id", "timings_us"}


def part_events(path: Path, parts: Collection[int]) -> Mapping[int, PartEvent]:
    """Return the part events of these parts that the journal still has.

    Blocks for one pass through the journal: 10 s for 256 MB. Raises JournalError.
    """
    wanted, events = set(parts), {}
    position: JournalPosition | None = None
    with JournalReader(path) as reader:
        while rows := reader.read(position, _READ_ROWS):
            for row in rows:
                if '"outfeed.part/1"' not in row.body:
                    continue
                _, event = parse_payload(row.payload)
                if isinstance(event, PartEvent) and event.part_id in wanted:
                    events[event.part_id] = event
            position = rows[-1].position
    return events


def find_disagreement(record: PictureRecord, event: PartEvent | None) -> str | None:
    """Return the first difference between record and journal as text; None: there is none, or
    neither has a verdict."""
    if record.verdict is None:
        return None if event is None else "the journal has a verdict, the record has none"
    if event is None or event.boot_id != record.boot_id:
        return "not in the journal any more"
    own = part_event(record.station, record.origin.bundle, record.verdict, record.triggered_ns)
    mine = own.model_dump(mode="json", exclude=_EVENT_KEYS)
    theirs = event.model_dump(mode="json", exclude=_EVENT_KEYS)
    for key, value in mine.items():
        if value != theirs[key]:
            return f"journal: {key}: {theirs[key]!r}, recorded {value!r}"
    return None
