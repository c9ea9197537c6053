"""An event on its way to the broker, or a gap event that takes its place."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.events.event import GapEvent, gap_event
from edge.events.identity import StoredEvent


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """A stored event as it is sent.

    instead_of: the reason why the broker does not accept the event; a gap event with its identity
    is then sent in its place. in_order: False for an event that is sent before an earlier one.
    """

    stored: StoredEvent
    instead_of: str | None = None
    in_order: bool = True

    @property
    def payload(self) -> bytes:
        """The published payload."""
        if self.instead_of is None:
            return self.stored.payload
        return _gap_in_place(self.stored, self.instead_of).payload

    def properties(self, protocol: str) -> Properties | None:
        """Return the properties that MQTT 5 sends beside the payload; None for MQTT 3.1.1."""
        if protocol != "5":
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.UserProperty = [("event_id", self.stored.event_id)]
        properties.ContentType = "application/json"
        return properties


def packet_bytes(topic: str, payload: bytes, properties: Properties | None) -> int:
    """Return the size in bytes of a PUBLISH packet with QoS 1 (MQTT 5, section 3.3).

    The broker compares it with its Maximum Packet Size.
    """
    packed = b"" if properties is None else properties.pack()  # type: ignore[no-untyped-call]
    remaining = 2 + len(topic.encode()) + 2 + len(packed) + len(payload)
    length_bytes = max(1, -(-remaining.bit_length() // 7))  # a variable byte integer
    return 1 + length_bytes + remaining


def _gap_in_place(stored: StoredEvent, why: str) -> StoredEvent:
    """Return a gap event with the identity of the event. It covers all events of a gap event."""
    keys = json.loads(stored.body)
    is_gap = keys.get("type") == GapEvent.model_fields["type"].default
    first, count = stored.first, keys.get("count") if is_gap else 1
    gap = gap_event(
        stored.station,
        count=count,
        first=first,
        last=stored.sequence,
        reason=f"the broker does not take this event: {why}",
    )
    return replace(stored, body=gap.model_dump_json())
