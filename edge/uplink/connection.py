"""One MQTT connection of a station, from CONNECT to its end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.config_uplink import UplinkConfig
from edge.errors import OutfeedError
from edge.events.cursor import Position
from edge.events.event import StatusEvent
from edge.events.identity import Stored
from edge.events.topics import Topics
from edge.uplink.client import make_client

# A clean stop waits this long for the broker to confirm what is under way.
CLOSE_S = 2.0

# Besides events, the window holds the birth or the farewell.
STATUS_MESSAGES = 2


class UplinkError(OutfeedError):
    """The connection cannot be made, has ended, or its broker refused an event."""


@dataclass(frozen=True, slots=True)
class StatusTexts:
    """What is said on the retained topic when the connection begins, ends and breaks."""

    online: StatusEvent
    stopped: StatusEvent
    lost: StatusEvent


@dataclass(frozen=True, slots=True)
class _Sent:
    message_id: int
    position: Position | None  # None for a status
    sent_s: float


class Connection:
    """A fresh paho client per connection: its own queue, retransmission and reconnection, which
    would publish out of order after a break, are never used.

    Everything happens on the thread that calls: ``turn`` reads, writes and runs paho's callbacks.
    The client id is fixed per station, so a broker that still holds a dead connection of ours
    ends it, and publishes its last will, before it lets us in (MQTT 5, section 3.1.4); with a
    random id the old will would come after the new birth, and say "offline" of a live station.
    """

    def __init__(self, config: UplinkConfig, topics: Topics, status: StatusTexts) -> None:
        """Opens nothing yet. Raises ConfigError for credentials that cannot be used."""
        self._config = config
        self._topics = topics
        self._status = status
        self._window: deque[_Sent] = deque()
        self._acknowledged: set[int] = set()
        self._max_inflight = config.max_inflight
        # Starts with one and doubles with each turn that brings acknowledgements, six turns to 64:
        # an event that the broker refuses is then alone, and no later one overtakes it. Mosquitto
        # 2.0.11 also hangs up after a refusal; with more to write, the reason would go unread.
        self._window_size = 1
        self._connack: ReasonCode | None = None
        self._refused: ReasonCode | None = None
        self._lost = ""
        self._position: Position | None = None
        self._client = make_client(config, f"outfeed-{topics.station}", clean_session=True)
        # The window below is the bound; paho's own must not queue behind our back.
        self._client.max_inflight_messages_set(config.max_inflight + STATUS_MESSAGES)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        self._client.will_set(
            topics.status, status.lost.model_dump_json().encode(), qos=1, retain=True
        )

    @property
    def position(self) -> Position | None:
        """Everything up to here was acknowledged on this connection, without a hole."""
        return self._position

    @property
    def room(self) -> int:
        """How many more events may be sent before acknowledgements must come."""
        return max(0, min(self._window_size, self._max_inflight) - len(self._window))

    def open(self, stopping: Callable[[], bool]) -> None:
        """Connect and publish the birth. Blocks for connect_timeout_s per step at most.

        Raises UplinkError; a broker that accepts the connection and then says nothing is
        one of the reasons.
        """
        config = self._config
        try:
            # Without a session on the broker; paho's default asks for that on a fresh client.
            self._client.connect(config.host, config.port, config.keepalive_s)
        except (OSError, ValueError) as error:
            raise UplinkError(f"{config.host}:{config.port}: {error}") from error
        deadline_s = time.monotonic() + config.connect_timeout_s
        while self._connack is None:
            if stopping():
                raise UplinkError("stopped while connecting")
            if time.monotonic() > deadline_s:
                raise UplinkError(
                    f"{config.host}:{config.port}: no answer in {config.connect_timeout_s:g} s"
                )
            self._loop(0.05)
        self._send(self._topics.status, self._status.online.model_dump_json().encode(), None)

    def publish(self, stored: Stored) -> None:
        """Send one event, QoS 1. Never blocks; call only while there is ``room``."""
        properties = None
        if self._config.protocol == "5":
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.UserProperty = [("event_id", stored.event_id)]
            properties.ContentType = "application/json"
        self._send(self._topics.events, stored.payload, stored.position, properties)

    def turn(self, timeout_s: float) -> None:
        """Wait at most timeout_s for the network, then handle what came.

        Raises UplinkError when the connection has ended, when the broker refused an event,
        and when it has not acknowledged one for two keepalives.
        """
        self._loop(timeout_s)
        before = len(self._window)
        while self._window and self._window[0].message_id in self._acknowledged:
            done = self._window.popleft()
            self._acknowledged.remove(done.message_id)
            self._position = done.position or self._position
        if len(self._window) < before:
            self._window_size = min(2 * self._window_size, self._max_inflight)
        if self._refused is not None:
            raise UplinkError(f"the broker refused an event: {self._refused}")
        silence_s = 2.0 * self._config.keepalive_s
        if self._window and time.monotonic() - self._window[0].sent_s > silence_s:
            raise UplinkError(f"no acknowledgement in {silence_s:g} s")

    def close(self) -> None:
        """Say that the station stops, wait up to CLOSE_S for acknowledgements, disconnect."""
        deadline_s = time.monotonic() + CLOSE_S
        self._send(self._topics.status, self._status.stopped.model_dump_json().encode(), None)
        while self._window and time.monotonic() < deadline_s:
            self.turn(0.05)
        self._client.disconnect()
        while self._client.want_write() and time.monotonic() < deadline_s:
            self._client.loop_write()

    def drop(self) -> None:
        """End the connection without a word, so that the broker publishes the last will.
        After ``close`` it only frees the socket. May be called twice."""
        self._client.on_connect = self._client.on_publish = self._client.on_disconnect = None
        if (sock := self._client.socket()) is not None:
            sock.close()

    def _send(
        self,
        topic: str,
        payload: bytes,
        position: Position | None,
        properties: Properties | None = None,
    ) -> None:
        info = self._client.publish(
            topic, payload, qos=1, retain=position is None, properties=properties
        )
        if info.rc != mqtt.MQTT_ERR_SUCCESS:
            raise UplinkError(self._lost or mqtt.error_string(info.rc))
        self._window.append(_Sent(info.mid, position, time.monotonic()))

    def _loop(self, timeout_s: float) -> None:
        code = self._client.loop(timeout_s)
        if self._connack is not None and self._connack.is_failure:
            raise UplinkError(f"the broker refused the connection: {self._connack}")
        if self._refused is None and (self._lost or code != mqtt.MQTT_ERR_SUCCESS):
            raise UplinkError(self._lost or mqtt.error_string(code))

    def _on_connect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._connack = reason
        # MQTT 5, section 3.2.2.3.3: more unacknowledged messages than this break the protocol.
        # paho leaves it to us.
        allowed = getattr(properties, "ReceiveMaximum", None)
        if allowed is not None:
            self._max_inflight = max(1, min(self._max_inflight, allowed - STATUS_MESSAGES))

    def _on_publish(
        self,
        client: mqtt.Client,
        userdata: object,
        message_id: int,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        # 0x10, "no matching subscribers", is below 0x80: a success.
        if reason.is_failure:
            self._refused = self._refused or reason
        else:
            self._acknowledged.add(message_id)

    def _on_disconnect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._lost = f"the connection ended: {reason}"
