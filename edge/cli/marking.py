"""What a mark is about."""

from __future__ import annotations

from typing import get_args

from edge.config import StationConfig
from edge.errors import JournalError, UsageError
from edge.events.event import PartEvent
from edge.events.identity import parse_payload
from edge.events.reader import JournalReader
from edge.inbox import MarkKind

_KINDS: dict[str, MarkKind] = {each: each for each in get_args(MarkKind)}
_LOOKED_AT = 64  # events: a part has one to three


def known_kind(text: str) -> MarkKind:
    """What --as asks for. Raises UsageError."""
    if text not in _KINDS:
        raise UsageError(f"--as {text}: expected {', '.join(_KINDS)}")
    return _KINDS[text]


def last_part(config: StationConfig) -> int:
    """The number of the last part that was journalled. Raises JournalError."""
    with JournalReader(config.journal_path) as reader:
        for stored in reader.latest(_LOOKED_AT):
            _, event = parse_payload(stored.payload)
            if isinstance(event, PartEvent):
                return event.part_id
    raise JournalError(f"{config.journal_path}: tells of no part lately")
