"""The limits that a broker sets for a connection, and its reasons for a refusal."""

from __future__ import annotations

from dataclasses import dataclass

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

SESSION_TAKEN_OVER = 0x8E
PACKET_TOO_LARGE = 0x95
PAYLOAD_FORMAT_INVALID = 0x99
RETAIN_NOT_SUPPORTED = 0x9A
NO_MATCHING_SUBSCRIBERS = 0x10

# These reasons concern one event. All others may concern the topic, the station or the moment.
OF_THE_EVENT = frozenset({PACKET_TOO_LARGE, PAYLOAD_FORMAT_INVALID})

# In a CONNACK: not authorized, topic name invalid, packet too large. Each of them may concern only
# the last will.
PERHAPS_OF_THE_WILL = frozenset({0x87, 0x90, PACKET_TOO_LARGE})

_MAX_REASON_CHARS = 300

_HINTS = {
    0x84: 'uplink.protocol = "3.1.1" may help',
    0x9B: "the broker takes QoS 0 only, events need QoS 1",
}


def _accept_any_refusal() -> None:
    """Let paho read a failure in every packet that has a reason.

    Mosquitto 2.0.11 refuses an event above message_size_limit by a PUBACK with 0x95. MQTT 5
    (section 3.4.2.1) does not list this code for a PUBACK. paho then ends the connection with a
    protocol error, and the reason would be lost.
    """
    for code, names in ReasonCode.names.items():
        for packets in names.values():
            for kind in (PacketTypes.CONNACK, PacketTypes.PUBACK, PacketTypes.DISCONNECT):
                if code >= 0x80 and kind not in packets:
                    packets.append(kind)


_accept_any_refusal()


@dataclass(frozen=True, slots=True)
class BrokerLimits:
    """The terms of the connection in the CONNACK (MQTT 5, section 3.2.2.3).

    None: the broker sets no bound. With MQTT 3.1.1 nothing is stated. Fields on which nothing here
    depends are not kept. They are session expiry (there is no session), assigned client identifier
    (there is one) and topic aliases. User properties, response information, authentication (none is
    asked for) and fields about subscriptions are not kept either.
    """

    receive_maximum: int | None = None
    packet_bytes: int | None = None
    keepalive_s: int | None = None
    has_qos_1: bool = True
    has_retain: bool = True

    @classmethod
    def read(cls, properties: Properties | None) -> BrokerLimits:
        """Return the limits in the properties of a CONNACK."""

        def number(name: str) -> int | None:
            value = getattr(properties, name, None)
            return value if isinstance(value, int) else None

        return cls(
            receive_maximum=number("ReceiveMaximum"),
            packet_bytes=number("MaximumPacketSize"),
            keepalive_s=number("ServerKeepAlive"),
            has_qos_1=number("MaximumQoS") != 0,
            has_retain=number("RetainAvailable") != 0,
        )


def explain(reason: ReasonCode, properties: Properties | None) -> str:
    """Return a reason code as one printable line.

    It includes the reason text of the broker and the server to which the broker refers, if any.
    """
    text = str(reason)
    if hint := _HINTS.get(reason.value):
        text = f"{text} ({hint})"
    words = getattr(properties, "ReasonString", None)
    if isinstance(words, str) and words:
        text = f"{text}: {words}"
    server = getattr(properties, "ServerReference", None)
    if isinstance(server, str) and server:
        text = f"{text} (it refers to {server}; set uplink.host)"
    return "".join(c if c.isprintable() else "?" for c in text)[:_MAX_REASON_CHARS]
