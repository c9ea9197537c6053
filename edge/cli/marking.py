"""What a mark is about."""

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
_LOOKED_AT = 64  # events: a part has one to three
_LOOKED_AT_MOST = 4096  # where gaps, marks and drift lie above the last part


def known_kind(text: str) -> MarkKind:
    """What --as asks for. Raises UsageError."""
    if text not in _KINDS:
        raise UsageError(f"--as {text}: expected {', '.join(_KINDS)}")
    return _KINDS[text]


def last_part(config: StationConfig) -> int:
    """The number of the last part that was journalled. Raises JournalError."""
    parts, _ = _newest(config, _LOOKED_AT)
    if parts is None:
        raise JournalError(f"{config.paths.journal}: tells of no part lately")
    return parts


def require_part(config: StationConfig, number: int) -> None:
    """See to it that there may be such a part. Raises JournalError, one line, where the journal
    ends below it and the album has no picture of it.

    Where there is no journal, or it cannot be read, nobody can say, and the mark is taken: what a
    person saw on the line must not be lost with it. A part that is older than the journal goes back
    is taken too.
    """
    try:
        newest, rows = _newest(config, _LOOKED_AT_MOST)
    except JournalError:
        return
    if number <= newest if newest is not None else rows in (0, _LOOKED_AT_MOST):
        return
    if any(name.part_id == number for name in list_pictures(config.paths.pictures)):
        return
    last = "no part has been inspected yet"
    if newest is not None:
        last = f"the last one in the journal is {newest}"
    raise JournalError(f"part {number}: there is no such part; {last}")


def _newest(config: StationConfig, limit: int) -> tuple[int | None, int]:
    """The number of the newest part among the last ``limit`` events, and how many these were.
    Raises JournalError."""
    with JournalReader(config.paths.journal) as reader:
        rows = reader.latest(limit)
    for stored in rows:
        _, event = parse_payload(stored.payload)
        if isinstance(event, PartEvent):
            return event.part_id, len(rows)
    return None, len(rows)
