"""The ways in which a connection to the broker fails."""

from __future__ import annotations

from edge.errors import OutfeedError
from edge.uplink.outgoing import OutgoingEvent


class UplinkError(OutfeedError):
    """The connection cannot be made, has ended, or its broker refused an event."""


class ConnectRefusedError(UplinkError):
    """The CONNACK is a refusal. ``code``: its reason code."""

    def __init__(self, line: str, code: int) -> None:
        super().__init__(line)
        self.code = code


class TakenOverError(UplinkError):
    """Another client has connected with this station's client id (MQTT 5, section 3.1.4)."""


class UnexplainedEndError(UplinkError):
    """The broker closed a connection that it had accepted, and gave no reason."""


class EventRefusedError(UplinkError):
    """The broker refused an event, or what was sent in its place.

    is_lasting: the reason concerns this event alone and does not pass."""

    def __init__(self, refused: OutgoingEvent, why: str, *, is_lasting: bool) -> None:
        super().__init__(f"the broker refused event {refused.stored.sequence}: {why}")
        self.refused = refused
        self.why = why
        self.is_lasting = is_lasting
