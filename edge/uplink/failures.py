"""The errors of a connection to the broker."""

from __future__ import annotations

import struct

from paho.mqtt.exception import MQTTException

from edge.errors import OutfeedError
from edge.uplink.outgoing import OutgoingEvent


class UplinkError(OutfeedError):
    """The connection could not be opened or has ended, or the broker refused an event."""


class ConnectRefusedError(UplinkError):
    """The broker refused the connection. code: the reason code of the CONNACK."""

    def __init__(self, line: str, code: int) -> None:
        super().__init__(line)
        self.code = code


class TakenOverError(UplinkError):
    """Another client has connected with this station's client id (MQTT 5, section 3.1.4)."""


class UnexplainedEndError(UplinkError):
    """The broker closed a connection that it had accepted, and gave no reason."""


class EventRefusedError(UplinkError):
    """The broker refused an event, or the gap event in its place.

    refused: the event. why: the reason as text. is_lasting: True if the reason concerns only this
    event, and is permanent.
    """

    def __init__(self, refused: OutgoingEvent, why: str, *, is_lasting: bool) -> None:
        super().__init__(f"the broker refused event {refused.stored.sequence}: {why}")
        self.refused = refused
        self.why = why
        self.is_lasting = is_lasting


# Errors that paho raises for packets that are not MQTT: it checks little of its input.
PARSING_ERRORS = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    struct.error,
    MQTTException,
)
