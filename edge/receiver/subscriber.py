"""The MQTT client of a central system: it receives the events of all stations, each once.

from edge.receiver import Subscriber
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import ValidationError

from edge.config.uplink import UplinkConfig
from edge.errors import OutfeedError
from edge.events.event import StatusEvent
from edge.events.identity import EventIdentity
from edge.events.payload import Topics
from edge.receiver.receiver import ReceivedEvent, Receiver
from edge.receiver.statement import DueStatements, committed_statement
from edge.receiver.stream import JournalCoverage
from edge.uplink.backoff import Backoff
from edge.uplink.client import make_client
from edge.uplink.terms import explain
from edge.uplink.tls import CredentialsError
from edge.validation_messages import describe

log = logging.getLogger(__name__)

# The broker stores events for a day while this client is not connected.
SESSION_S = 86_400


class Subscriber:
    """An MQTT client that hands over every event once, in order for each station.

    on_event is called for each new event. A message is acknowledged to the broker only after
    on_event has returned. After a crash the broker sends an unacknowledged event again. on_status
    is called for each change of a station's retained status. Both run on the thread that calls
    ``run``.

    With ``states_as`` it publishes what it has received, and stations send missing events again
    (docs/decisions/0063-acknowledgement-by-central.md). on_event must then have stored the event
    when it returns.
    """

    def __init__(
        self,
        broker: UplinkConfig,
        *,
        client_id: str,
        on_event: Callable[[ReceivedEvent], None],
        on_status: Callable[[StatusEvent], None] = lambda status: None,
        station: str = "+",
        receiver: Receiver | None = None,
        states_as: str | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            broker: Address, login and TLS files, as the section [uplink] of station.toml has them.
            client_id: Name of the session in which the broker stores events while this client is
                not connected. It must be unique among all clients, and the same at every start. A
                second client with this name takes over the session and its events.
            on_event: Called for each new event.
            on_status: Called for each status.
            station: The id of one station, or "+" for all.
            receiver: A receiver with the coverage of an earlier run; None: a new one.
            states_as: Name of this central system in its statements; None: it makes none. Give it
                to one client only, and with a receiver that has the coverage of earlier runs.
                Stations otherwise send their whole journal again.
        """
        self._broker = broker
        self._topics = Topics(station, broker.topic_prefix)
        self._on_event = on_event
        self._on_status = on_status
        self._receiver = receiver or Receiver()
        self._subscribed = threading.Event()
        self._client_id = client_id
        self._states_as = states_as
        self._schedule = None if states_as is None else DueStatements()
        self._had_session = False
        self._refused = 0

    @property
    def refused(self) -> int:
        """The number of ignored messages: not an event, or not of the station in the topic."""
        return self._refused

    def run(self, stop: threading.Event) -> None:
        """Receive until ``stop`` is set. Blocks.

        After a lost connection it connects again, with the password and TLS files as they are then.
        """
        backoff = Backoff(self._broker.retry_max_s)
        while not stop.is_set():
            client: mqtt.Client | None = None
            try:
                client = self._connect()
                while not stop.is_set() and client.loop(0.05) == mqtt.MQTT_ERR_SUCCESS:
                    self._state(client)
                    if self._subscribed.is_set():
                        backoff.reset()
            except (OSError, CredentialsError) as error:
                log.info("subscriber_waits reason=%s", error)
            self._subscribed.clear()
            if client is not None:
                self._end(client)
            if not stop.is_set():
                stop.wait(backoff.next_s())

    def wait_subscribed(self, timeout_s: float) -> bool:
        """Wait until the broker has confirmed the subscription. Return False after timeout_s.

        For other threads than that of ``run``.
        """
        return self._subscribed.wait(timeout_s)

    def _state(self, client: mqtt.Client) -> None:
        """Publish the statements that are due."""
        if self._schedule is None or not self._subscribed.is_set():
            return
        now_s = time.monotonic()
        due = self._schedule.due(now_s)
        if not due:
            return
        known = {(one.station, one.journal): one for one in self._receiver.coverage()}
        for station, journal in due:
            none = JournalCoverage(station, journal, 0, 0, (), ())
            statement = committed_statement(
                known.get((station, journal), none), central=self._states_as or ""
            )
            topic = Topics(station, self._broker.topic_prefix).committed(journal)
            client.publish(topic, statement.model_dump_json().encode(), qos=1, retain=True)
            self._schedule.published((station, journal), now_s)

    def _connect(self) -> mqtt.Client:
        broker = self._broker
        client = make_client(broker, self._client_id, clean_session=False)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.message_callback_add(self._topics.events, self._on_events_message)
        client.message_callback_add(self._topics.status, self._on_status_message)
        if broker.protocol != "5":
            client.connect(broker.host, broker.port, broker.keepalive_s)
            return client
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_S
        client.connect(
            broker.host, broker.port, broker.keepalive_s, clean_start=False, properties=properties
        )
        return client

    def _end(self, client: mqtt.Client) -> None:
        client.disconnect()
        if (sock := client.socket()) is not None:
            sock.close()

    def _on_connect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            log.warning("subscriber_refused reason=%s", explain(reason, properties))
        else:
            if self._had_session and not flags.session_present:
                log.warning(
                    "session_lost: the broker lost its stored events for %s", self._client_id
                )
            self._had_session = True
            kept_s = getattr(properties, "SessionExpiryInterval", SESSION_S)
            if kept_s < SESSION_S:
                log.warning("session_short: the broker stores events for only %s s", kept_s)
            # After each connect, because the broker may have lost the session.
            client.subscribe([(self._topics.events, 1), (self._topics.status, 1)])

    def _on_subscribe(
        self,
        client: mqtt.Client,
        userdata: object,
        message_id: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            texts = ", ".join(explain(reason, properties) for reason in reasons)
            log.warning("subscriber_refused reason=%s", texts)
            return
        if any(reason.value < 1 for reason in reasons):
            log.warning("subscribed_with_qos_0: the broker stores no events while this is offline")
        self._subscribed.set()
        if self._schedule is not None:
            self._schedule.add((each.station, each.journal) for each in self._receiver.coverage())

    def _on_disconnect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            log.warning("subscriber_ended reason=%s", explain(reason, properties))

    def _on_events_message(
        self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage
    ) -> None:
        try:
            received = self._receiver.accept(_station(message), bytes(message.payload))
        except OutfeedError as error:
            self._refuse(message, str(error))
            return
        if received is not None:
            self._on_event(received)
        if self._schedule is not None:
            # A repeat too: the station may have sent it to learn whether this system is there.
            identity = received.identity if received else _identity(message)
            self._schedule.add([(_station(message), identity.journal)])

    def _on_status_message(
        self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage
    ) -> None:
        try:
            status = StatusEvent.model_validate_json(message.payload)
        except ValidationError as error:
            self._refuse(message, describe(error))
            return
        if status.station != _station(message):
            self._refuse(message, f"a status of '{status.station}'")
            return
        self._on_status(status)
        if self._schedule is not None and status.journal:
            self._schedule.add([(status.station, status.journal)])

    def _refuse(self, message: mqtt.MQTTMessage, reason: str) -> None:
        self._refused += 1
        log.warning("message_ignored topic=%s reason=%s", message.topic, reason)


def _identity(message: mqtt.MQTTMessage) -> EventIdentity:
    return EventIdentity.model_validate_json(message.payload)


def _station(message: mqtt.MQTTMessage) -> str:
    """Return the station in PREFIX/STATION/events.

    The broker lets a station publish below its own name only, so the topic identifies the station,
    not the payload.
    """
    return message.topic.split("/")[-2]
