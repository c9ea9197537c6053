"""The kind and the part of a mark, checked against the journal."""

from __future__ import annotations

from typing import get_args

from edge.config.station import StationConfig
from edge.errors import JournalError, UsageError
from edge.events.event import PartEvent
from edge.events.identity import parse_payload
from edge.inbox import MarkKind
from edge.journal.reader import JournalReader
from edge.pictures.file_name import list_pictures

_KINDS: dict[str, MarkKind] = {each: each for each in get_args(MarkKind)}
_RECENT_EVENTS = 64  # a part has one to three events
_MAX_EVENTS = 4096  # gaps, marks and drift may follow the last part


def known_kind(text: str) -> MarkKind:
    """Return the kind of mark of --as. Raises UsageError."""
    if text not in _KINDS:
        raise UsageError(f"--as {text}: expected {', '.join(_KINDS)}")
    return _KINDS[text]


def last_part(config: StationConfig) -> int:
    """Return the number of the last part in the journal. Raises JournalError."""
    parts, _ = _newest(config, _RECENT_EVENTS)
    if parts is None:
        raise JournalError(
            f"{config.paths.journal}: no part among the last {_RECENT_EVENTS} events"
        )
    return parts


def require_part(config: StationConfig, number: int) -> None:
    """Check that the part may exist.

    Raises JournalError, one line, where the journal ends below its number and the picture store has
    no picture of it. Without a readable journal the mark is accepted, so that the statement of the
    user is not lost. A part that is older than the journal is accepted too.
    """
    try:
        newest, rows = _newest(config, _MAX_EVENTS)
    except JournalError:
        return
    if number <= newest if newest is not None else rows in (0, _MAX_EVENTS):
        return
    if any(name.part_id == number for name in list_pictures(config.paths.pictures)):
        return
    last = "no part has been inspected yet"
    if newest is not None:
        last = f"the last one in the journal is {newest}"
    raise JournalError(f"part {number} does not exist; {last}")


def _newest(config: StationConfig, limit: int) -> tuple[int | None, int]:
    """Return the newest part number in the last ``limit`` events, and the number of these events.

    Raises JournalError.
    """
    with JournalReader(config.paths.journal) as reader:
        rows = reader.latest(limit)
    for stored in rows:
        _, event = parse_payload(stored.payload)
        if isinstance(event, PartEvent):
            return event.part_id, len(rows)
    return None, len(rows)
