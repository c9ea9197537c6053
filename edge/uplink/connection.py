"""One MQTT connection of a station, from CONNECT to its end."""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import paho.mqtt.client as mqtt
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.config.uplink import UplinkConfig
from edge.events.event import StatusEvent
from edge.events.identity import JournalPosition
from edge.events.payload import Topics
from edge.uplink import terms
from edge.uplink.client import make_client
from edge.uplink.command_feed import CommandFeed, report_refusals
from edge.uplink.failures import (
    PARSING_ERRORS,
    ConnectRefusedError,
    EventRefusedError,
    TakenOverError,
    UnexplainedEndError,
    UplinkError,
)
from edge.uplink.outgoing import OutgoingEvent, packet_bytes
from edge.uplink.statement_feed import StatementFeed
from edge.uplink.statuses import StatusMessages
from edge.uplink.terms import BrokerLimits, explain
from edge.uplink.tls import WatchedSocket, explain_tls

# Longest time that a clean stop waits for the broker to confirm messages in flight.
CLOSE_S = 2.0

# Besides events, the window has space for the status at the begin or at the end.
STATUS_MESSAGES = 2


@dataclass(frozen=True, slots=True)
class BrokerFeatures:
    """The optional features that a broker permits. Without one of them, events are still sent."""

    has_will: bool = True
    has_status: bool = True
    has_retain: bool = True


@dataclass(frozen=True, slots=True)
class DeliveredEvent:
    """An acknowledged event. is_heard: False if the broker reports that it has no subscriber."""

    outgoing: OutgoingEvent
    is_heard: bool


@dataclass(frozen=True, slots=True)
class _Sent:
    message_id: int
    outgoing: OutgoingEvent | None  # None for a status
    sent_s: float


class Connection:
    """One connection, with a paho client of its own.

    The queue, retransmission and reconnection of paho are never used, because they would publish
    out of order after a lost connection.

    The client id is fixed for each station. A broker that still has an old connection of the
    station ends it, and publishes its last will, before it accepts the new one (MQTT 5, section
    3.1.4). With a random id, the old will would arrive after the new status, and report a running
    station as offline.

    Synchronization: all work is done on the calling thread. ``turn`` reads, writes and runs the
    callbacks of paho.
    """

    def __init__(
        self,
        config: UplinkConfig,
        topics: Topics,
        status: StatusMessages,
        manner: BrokerFeatures = BrokerFeatures(),
    ) -> None:
        """Open nothing yet. Raises CredentialsError for files that cannot be used now."""
        self._config = config
        self._topics = topics
        self._status = status
        self._manner = manner
        self._window: deque[_Sent] = deque()
        self._acknowledged: dict[int, ReasonCode] = {}
        self._terms = BrokerLimits()
        # The window begins with one message. It doubles with each turn that has acknowledgements,
        # six turns to 64. So an event that the broker refuses at once is alone, and no later one
        # overtakes it. Mosquitto 2.0.11 closes the connection after a refusal; with more to write,
        # the reason would not be read.
        self._window_size = 1
        self._connack: ReasonCode | None = None
        self._connack_line = ""
        self._refused: EventRefusedError | None = None
        self._lost: UplinkError | None = None
        self._position: JournalPosition | None = None
        self._socket: object = None
        self.sent = 0  # messages of this connection
        self._delivered: list[DeliveredEvent] = []
        self._client = make_client(config, f"outfeed-{topics.station}", clean_session=True)
        # This window sets the limit, so paho must not queue messages itself.
        self._client.max_inflight_messages_set(config.max_inflight + STATUS_MESSAGES)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        self.statements = StatementFeed(self._client, topics, config)
        self.commands = CommandFeed(self._client, topics.commands)
        self.desired = CommandFeed(self._client, topics.desired)
        report_refusals(self._client, self.statements, self.commands, self.desired)
        if manner.has_will:
            will = status.lost.model_dump_json().encode()
            self._client.will_set(topics.status, will, qos=1, retain=manner.has_retain)

    @property
    def station(self) -> str:
        """The id of the station."""
        return self._topics.station

    @property
    def manner(self) -> BrokerFeatures:
        """The requested features without those that the broker refused."""
        return self._manner

    @property
    def position(self) -> JournalPosition | None:
        """The position up to which all events were acknowledged on this connection, without gap."""
        return self._position

    @property
    def free_slots(self) -> int:
        """The number of events that may be sent before further acknowledgements."""
        return max(0, min(self._window_size, self._limit) - len(self._window))

    @property
    def alone(self) -> OutgoingEvent | None:
        """The only event that is not acknowledged; None if there are several or none."""
        open_ = [one for one in self._window if one.message_id not in self._acknowledged]
        return open_[0].outgoing if len(open_) == 1 else None

    @property
    def confirmed(self) -> int:
        """Return the number of ``sent`` messages that the broker has confirmed, in order."""
        return self.sent - len(self._window)

    @property
    def is_idle(self) -> bool:
        """Return True if no message is in flight."""
        return not self._window

    def fits(self, outgoing: OutgoingEvent) -> bool:
        """Return True if the broker accepts a packet of this size (MQTT 5, section 3.2.2.3.6)."""
        most = self._terms.packet_bytes
        if most is None:
            return True
        properties = outgoing.properties(self._config.protocol)
        return packet_bytes(self._topics.events, outgoing.payload, properties) <= most

    @property
    def terms(self) -> BrokerLimits:
        """The limits that the broker set at connect."""
        return self._terms

    def open(self, stopping: Callable[[], bool]) -> None:
        """Connect and publish the status "online". Blocks for connect_timeout_s per step at most.

        Raises UplinkError, also for a broker that accepts the connection and does not answer.
        """
        config = self._config
        where = f"{config.host}:{config.port}"
        try:
            # Without a session on the broker, which is the default of paho for a new client.
            self._client.connect(
                config.host,
                config.port,
                config.keepalive_s,
                properties=self.statements.properties(),
            )
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
        """Send one event with QoS 1. Never blocks. Call only while ``free_slots`` is above 0."""
        properties = outgoing.properties(self._config.protocol)
        self._send(self._topics.events, outgoing.payload, outgoing, properties)

    def publish_status(self, status: StatusEvent) -> None:
        """Send a status, unless the broker refuses it or the window is full."""
        payload = status.model_dump_json().encode()
        most = self._terms.packet_bytes
        too_large = most is not None and packet_bytes(self._topics.status, payload, None) >= most
        if self._manner.has_status and not too_large and len(self._window) < self._limit:
            self._send(self._topics.status, payload, None)

    def turn(self, timeout_s: float) -> None:
        """Wait for the network for timeout_s at most, then handle what has arrived.

        Raises UplinkError if the connection has ended, if the broker refused an event, or if it has
        not acknowledged one for two keepalive periods.
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
        """Return the events acknowledged since the last call, even if ``turn`` raised an error."""
        delivered, self._delivered = self._delivered, []
        return delivered

    def close(self, farewell: StatusEvent) -> None:
        """Publish the last status, wait up to CLOSE_S for acknowledgements, and disconnect."""
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
        """End the connection without DISCONNECT, so that the broker publishes the last will.

        After ``close`` it only closes the socket. May be called twice.
        """
        self._client.on_connect = self._client.on_publish = self._client.on_disconnect = None
        self._client.on_subscribe = None
        self.statements.close()
        self.commands.close()
        self.desired.close()
        if (sock := self._client.socket()) is not None:
            sock.close()

    @property
    def _limit(self) -> int:
        """The most messages in flight, with the status.

        More than the Receive Maximum of the broker are a protocol error (MQTT 5, section
        3.2.2.3.3). paho does not check this.
        """
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
        self.sent += 1
        self._window.append(_Sent(info.mid, outgoing, time.monotonic()))

    def _loop(self, timeout_s: float) -> None:
        try:
            code = self._client.loop(timeout_s)
        except PARSING_ERRORS as error:
            line = f"the broker sent what is no MQTT: {type(error).__name__}: {error}"
            raise UplinkError(line) from error
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
            # Events can still be sent. Mosquitto closes the connection; the next has no status.
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
            return  # after a DISCONNECT paho may call twice; the first call has the reason
        if flags.is_disconnect_packet_from_server:
            self._lost = self._lost_by_disconnect(reason, properties)
            return
        fault = self._socket.fault if isinstance(self._socket, WatchedSocket) else None
        if fault is not None:
            self._lost = UplinkError(explain_tls(fault))
        elif str(reason) != "Unspecified error":  # the text of paho for an unknown error
            self._lost = UplinkError(f"the connection ended: {reason}")
        elif self._connack is None:
            line = "the broker closed the connection before it answered: its limits, or its TLS?"
            self._lost = UplinkError(line)
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
