"""A message of the broker, and its contents as far as they can be read."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from datetime import datetime, timezone

from pydantic import ValidationError

from edge.errors import OutfeedError
from edge.events.committed import MAX_SEQUENCE
from edge.events.event import Event, GapEvent, OtherEvent, StatusEvent
from edge.events.identity import EventIdentity, parse_payload
from edge.validation_messages import describe, printable

MAX_PAYLOAD_BYTES = 256 << 10
"""A longer message is refused. Events of a station have at most 50 kB."""

_STATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
# Both are parts of topics and of statements.
_JOURNAL = re.compile(r"[A-Za-z0-9-]{1,64}")
_RUN = re.compile(r"[0-9a-f]{1,16}")
_MAX_US = 1 << 60


@dataclass(frozen=True, slots=True)
class BrokerMessage:
    """A message as it was received. received_us: time of the central system."""

    topic: str
    payload: bytes
    received_us: int


@dataclass(frozen=True, slots=True)
class EventMessage:
    """An event of a station.

    crc: CRC-32 of the payload. event: None where the identity is right and the rest cannot be read.
    ``problem`` is the reason then. replaced: for a gap event with numbers, the numbers that it
    accounts for.
    """

    message: BrokerMessage
    station: str
    journal: str
    run: str
    sequence: int
    crc: int
    event: Event | OtherEvent | None
    replaced: range | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """The retained status of a station."""

    message: BrokerMessage
    status: StatusEvent


@dataclass(frozen=True, slots=True)
class RefusedMessage:
    """A message that is no event and no status of the station in its topic."""

    message: BrokerMessage
    reason: str


ReadMessage = EventMessage | StatusMessage | RefusedMessage


def read_message(message: BrokerMessage, prefix: str) -> ReadMessage:
    """Return the contents of a message. Never raises for a wrong payload.

    prefix: the beginning of all topics. The topic identifies the station, because the access list
    of the broker protects it.
    """
    head, _, tail = message.topic.removeprefix(f"{prefix}/").partition("/")
    if not _STATION.fullmatch(head):
        return RefusedMessage(message, "the topic names no station")
    if len(message.payload) > MAX_PAYLOAD_BYTES:
        return RefusedMessage(message, f"has more than {MAX_PAYLOAD_BYTES} bytes")
    if tail == "events":
        return _read_event(message, head)
    if tail == "status":
        return _read_status(message, head)
    return RefusedMessage(message, "the topic is neither of events nor of a status")


def parse_utc(utc: str) -> int | None:
    """Return a time of RFC 3339 in microseconds since 1970; None where it cannot be read."""
    if len(utc) > 40:
        return None
    try:
        moment = datetime.fromisoformat(utc.replace("Z", "+00:00"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        micros = round(moment.timestamp() * 1e6)
    except (ValueError, OverflowError):
        return None
    return micros if 0 <= micros < _MAX_US else None


def _read_event(message: BrokerMessage, station: str) -> EventMessage | RefusedMessage:
    event: Event | OtherEvent | None = None
    problem = ""
    try:
        identity, event = parse_payload(message.payload)
    except OutfeedError as error:
        problem = printable(str(error))
        try:
            identity = EventIdentity.model_validate_json(message.payload)
        except ValidationError:
            return RefusedMessage(message, problem)
    if event is not None and event.station != station:
        return RefusedMessage(message, f"is of station '{printable(event.station)[:80]}'")
    if not (_JOURNAL.fullmatch(identity.journal) and _RUN.fullmatch(identity.run)):
        return RefusedMessage(message, "journal or run have a wrong form")
    if identity.sequence >= MAX_SEQUENCE:
        return RefusedMessage(message, "the sequence number is too large")
    expected = f"{station}:{identity.journal}:{identity.run}:{identity.sequence}"
    if identity.event_id != expected:
        return RefusedMessage(message, "event_id does not match the topic and the other keys")
    return EventMessage(
        message,
        station,
        identity.journal,
        identity.run,
        identity.sequence,
        zlib.crc32(message.payload),
        event,
        _replaced(event, identity.sequence),
        problem,
    )


def _replaced(event: Event | OtherEvent | None, sequence: int) -> range | None:
    """Return the numbers that a gap event accounts for; None for an event without such numbers."""
    if not isinstance(event, GapEvent) or event.last != sequence:
        return None
    first = event.last if event.first is None else event.first
    return range(first if 1 <= first <= sequence else sequence, sequence + 1)


def _read_status(message: BrokerMessage, station: str) -> StatusMessage | RefusedMessage:
    try:
        status = StatusEvent.model_validate_json(message.payload)
    except ValidationError as error:
        return RefusedMessage(message, f"not a status of Outfeed: {describe(error)}")
    if status.station != station:
        return RefusedMessage(message, f"is of station '{printable(status.station)[:80]}'")
    if status.journal and not _JOURNAL.fullmatch(status.journal):
        return RefusedMessage(message, "the journal has a wrong form")
    return StatusMessage(message, status)
