"""One MQTT connection of a station, from CONNECT to its end."""

from __future__ import annotations

import ssl
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import paho.mqtt.client as mqtt
from paho.mqtt.exception import MQTTException
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.config.uplink import UplinkConfig
from edge.events.event import StatusEvent
from edge.events.identity import JournalPosition
from edge.events.payload import Topics
from edge.uplink import terms
from edge.uplink.client import make_client
from edge.uplink.failures import (
    ConnectRefusedError,
    EventRefusedError,
    TakenOverError,
    UnexplainedEndError,
    UplinkError,
)
from edge.uplink.outgoing import OutgoingEvent, packet_bytes
from edge.uplink.terms import BrokerLimits, explain
from edge.uplink.tls import WatchedSocket, explain_tls

# A clean stop waits this long for the broker to confirm what is under way.
CLOSE_S = 2.0

# Besides events, the window holds the birth or the farewell.
STATUS_MESSAGES = 2

# What paho raises for packets that are no MQTT: it checks little of what it reads.
_PARSING = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    struct.error,
    MQTTException,
)


@dataclass(frozen=True, slots=True)
class BrokerFeatures:
    """The features a broker permits beside events. Without one, only that feature is lost."""

    has_will: bool = True
    has_status: bool = True
    has_retain: bool = True


@dataclass(frozen=True, slots=True)
class StatusMessages:
    """The retained status when the connection begins and when it breaks."""

    online: StatusEvent
    lost: StatusEvent


@dataclass(frozen=True, slots=True)
class DeliveredEvent:
    """An acknowledged event. is_heard: False where the broker states that nobody subscribes."""

    outgoing: OutgoingEvent
    is_heard: bool


@dataclass(frozen=True, slots=True)
class _Sent:
    message_id: int
    outgoing: OutgoingEvent | None  # None for a status
    sent_s: float


class Connection:
    """A fresh paho client per connection: its own queue, retransmission and reconnection, which
    would publish out of order after a break, are never used.

    Everything happens on the thread that calls: ``turn`` reads, writes and runs paho's callbacks.
    The client id is fixed per station, so a broker that still holds a dead connection of ours
    ends it, and publishes its last will, before it lets us in (MQTT 5, section 3.1.4); with a
    random id the old will would come after the new birth, and state "offline" of a live station.
    """

    def __init__(
        self,
        config: UplinkConfig,
        topics: Topics,
        status: StatusMessages,
        manner: BrokerFeatures = BrokerFeatures(),
    ) -> None:
        """Opens nothing yet. Raises CredentialsError for files that cannot be used now."""
        self._config = config
        self._topics = topics
        self._status = status
        self._manner = manner
        self._window: deque[_Sent] = deque()
        self._acknowledged: dict[int, ReasonCode] = {}
        self._terms = BrokerLimits()
        # Starts with one and doubles with each turn that brings acknowledgements, six turns to 64:
        # an event that the broker refuses is then alone, and no later one overtakes it. Mosquitto
        # 2.0.11 also hangs up after a refusal; with more to write, the reason would go unread.
        self._window_size = 1
        self._connack: ReasonCode | None = None
        self._connack_line = ""
        self._refused: EventRefusedError | None = None
        self._lost: UplinkError | None = None
        self._position: JournalPosition | None = None
        self._socket: object = None
        self._delivered: list[DeliveredEvent] = []
        self._client = make_client(config, f"outfeed-{topics.station}", clean_session=True)
        # The window below is the bound; paho's own must not queue behind our back.
        self._client.max_inflight_messages_set(config.max_inflight + STATUS_MESSAGES)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        if manner.has_will:
            will = status.lost.model_dump_json().encode()
            self._client.will_set(topics.status, will, qos=1, retain=manner.has_retain)

    @property
    def manner(self) -> BrokerFeatures:
        """The features that remain of those asked for, after the broker's refusals."""
        return self._manner

    @property
    def position(self) -> JournalPosition | None:
        """Everything up to here was acknowledged on this connection, without a hole."""
        return self._position

    @property
    def room(self) -> int:
        """How many more events may be sent before acknowledgements must come."""
        return max(0, min(self._window_size, self._limit) - len(self._window))

    @property
    def alone(self) -> OutgoingEvent | None:
        """The event that is not acknowledged, where there is no other."""
        open_ = [one for one in self._window if one.message_id not in self._acknowledged]
        return open_[0].outgoing if len(open_) == 1 else None

    @property
    def is_idle(self) -> bool:
        """Return whether nothing is under way."""
        return not self._window

    def fits(self, outgoing: OutgoingEvent) -> bool:
        """Return whether the broker takes a packet of this size (MQTT 5, section 3.2.2.3.6)."""
        most = self._terms.packet_bytes
        if most is None:
            return True
        properties = outgoing.properties(self._config.protocol)
        return packet_bytes(self._topics.events, outgoing.payload, properties) <= most

    @property
    def terms(self) -> BrokerLimits:
        """The terms that the broker stated at connect."""
        return self._terms

    def open(self, stopping: Callable[[], bool]) -> None:
        """Connect and publish the birth. Blocks for connect_timeout_s per step at most.

        Raises UplinkError; a broker that accepts the connection and then says nothing is
        one of the reasons.
        """
        config = self._config
        where = f"{config.host}:{config.port}"
        try:
            # Without a session on the broker; paho's default asks for that on a fresh client.
            self._client.connect(config.host, config.port, config.keepalive_s)
        except ssl.SSLError as error:
            raise UplinkError(f"{where}: {explain_tls(error)}") from error
        except (OSError, ValueError) as error:
            raise UplinkError(f"{where}: {error}") from error
        self._socket = self._client.socket()
        deadline_s = time.monotonic() + config.connect_timeout_s
        while self._connack is None:
            if stopping():
                raise UplinkError("stopped while connecting")
            if time.monotonic() > deadline_s:
                raise UplinkError(f"{where}: no answer in {config.connect_timeout_s:g} s")
            self._loop(0.05)
        if not self._terms.has_qos_1:
            self._client.disconnect()
            raise UplinkError("the broker takes QoS 0 only (max_qos), events need QoS 1")
        self.publish_status(self._status.online)

    def publish(self, outgoing: OutgoingEvent) -> None:
        """Send one event, QoS 1. Never blocks; call only while there is ``room``."""
        properties = outgoing.properties(self._config.protocol)
        self._send(self._topics.events, outgoing.payload, outgoing, properties)

    def publish_status(self, status: StatusEvent) -> None:
        """Send a status, unless the broker does not take it or has no room for it now."""
        payload = status.model_dump_json().encode()
        most = self._terms.packet_bytes
        too_large = most is not None and packet_bytes(self._topics.status, payload, None) >= most
        if self._manner.has_status and not too_large and len(self._window) < self._limit:
            self._send(self._topics.status, payload, None)

    def turn(self, timeout_s: float) -> None:
        """Wait at most timeout_s for the network, then handle what came.

        Raises UplinkError when the connection has ended, when the broker refused an event,
        and when it has not acknowledged one for two keepalives.
        """
        failed: UplinkError | None = None
        try:
            self._loop(timeout_s)
        except UplinkError as error:
            failed = error
        self._take_acknowledged()
        failed = self._refused or failed or self._silence()
        if failed is not None:
            raise failed

    def take_delivered(self) -> list[DeliveredEvent]:
        """The events acknowledged since this was last asked, also by a turn that raised."""
        taken, self._delivered = self._delivered, []
        return taken

    def close(self, farewell: StatusEvent) -> None:
        """Publish the farewell, wait up to CLOSE_S for acknowledgements, disconnect."""
        deadline_s = time.monotonic() + CLOSE_S
        while len(self._window) >= self._limit and time.monotonic() < deadline_s:
            self.turn(0.05)
        self.publish_status(farewell)
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

    @property
    def _limit(self) -> int:
        """Messages under way at most, a status included. MQTT 5, section 3.2.2.3.3: more than the
        broker's Receive Maximum break the protocol. paho leaves it to us."""
        allowed = self._terms.receive_maximum
        most = self._config.max_inflight
        return most if allowed is None else min(most, allowed)

    def _send(
        self,
        topic: str,
        payload: bytes,
        outgoing: OutgoingEvent | None,
        properties: Properties | None = None,
    ) -> None:
        retain = outgoing is None and self._manner.has_retain
        info = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        if info.rc != mqtt.MQTT_ERR_SUCCESS:
            raise self._lost or UplinkError(mqtt.error_string(info.rc))
        self._window.append(_Sent(info.mid, outgoing, time.monotonic()))

    def _loop(self, timeout_s: float) -> None:
        try:
            code = self._client.loop(timeout_s)
        except _PARSING as error:
            told = f"the broker sent what is no MQTT: {type(error).__name__}: {error}"
            raise UplinkError(told) from error
        if self._connack is not None and self._connack.is_failure:
            line = f"the broker refused the connection: {self._connack_line}"
            raise ConnectRefusedError(line, self._connack.value)
        if self._lost is not None or code != mqtt.MQTT_ERR_SUCCESS:
            raise self._lost or UplinkError(mqtt.error_string(code))

    def _take_acknowledged(self) -> None:
        has_taken_event = False
        while self._window and self._window[0].message_id in self._acknowledged:
            done = self._window.popleft()
            reason = self._acknowledged.pop(done.message_id)
            if done.outgoing is None:
                continue
            has_taken_event = True
            if done.outgoing.in_order:
                self._position = done.outgoing.stored.position
            is_heard = reason.value != terms.NO_MATCHING_SUBSCRIBERS
            self._delivered.append(DeliveredEvent(done.outgoing, is_heard))
        if has_taken_event:
            self._window_size = min(2 * self._window_size, self._config.max_inflight)

    def _silence(self) -> UplinkError | None:
        silence_s = 2.0 * (self._terms.keepalive_s or self._config.keepalive_s)
        if self._window and time.monotonic() - self._window[0].sent_s > silence_s:
            return UplinkError(f"no acknowledgement in {silence_s:g} s")
        return None

    def _on_connect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._connack = reason
        self._connack_line = explain(reason, properties)
        self._terms = BrokerLimits.read(properties)
        if not self._terms.has_retain:
            self._manner = replace(self._manner, has_retain=False)

    def _on_publish(
        self,
        client: mqtt.Client,
        userdata: object,
        message_id: int,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if not reason.is_failure:
            self._acknowledged[message_id] = reason
            return
        refused = next((one for one in self._window if one.message_id == message_id), None)
        if refused is None:
            return
        if refused.outgoing is None:
            # No reason to hold back events. Mosquitto hangs up: not again on the next connection.
            self._manner = replace(self._manner, has_status=False)
            self._acknowledged[message_id] = reason
        elif self._refused is None:
            is_lasting = reason.value in terms.OF_THE_EVENT
            why = explain(reason, properties)
            self._refused = EventRefusedError(refused.outgoing, why, is_lasting=is_lasting)

    def _on_disconnect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if self._lost is not None:
            return  # paho calls twice where it reads on after a DISCONNECT; the first has it
        if flags.is_disconnect_packet_from_server:
            self._lost = self._lost_by_disconnect(reason, properties)
            return
        fault = self._socket.fault if isinstance(self._socket, WatchedSocket) else None
        if fault is not None:
            self._lost = UplinkError(explain_tls(fault))
        elif str(reason) != "Unspecified error":  # paho's name for everything that it cannot name
            self._lost = UplinkError(f"the connection ended: {reason}")
        elif self._connack is None:
            told = "the broker closed the connection before it answered: its limits, or its TLS?"
            self._lost = UplinkError(told)
        else:
            self._lost = UnexplainedEndError("the broker closed the connection without a reason")

    def _lost_by_disconnect(self, reason: ReasonCode, properties: Properties | None) -> UplinkError:
        why = explain(reason, properties)
        if reason.value == terms.SESSION_TAKEN_OVER:
            return TakenOverError(
                f"another client connected as outfeed-{self._topics.station}: two stations have "
                f"one name or one certificate ({why})"
            )
        if reason.value in terms.OF_THE_EVENT and self.alone is not None:
            return EventRefusedError(self.alone, why, is_lasting=True)
        if reason.value == terms.RETAIN_NOT_SUPPORTED:
            self._manner = replace(self._manner, has_retain=False)
        return UplinkError(f"the broker ended the connection: {why}")
