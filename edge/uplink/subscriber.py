"""What a central system does to receive a hall of stations: copy this file and ``receiver.py``."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import ValidationError

from edge.config_uplink import UplinkConfig
from edge.errors import OutfeedError
from edge.events.event import StatusEvent
from edge.events.receiver import Received, Receiver
from edge.events.topics import Topics
from edge.uplink.backoff import Backoff
from edge.uplink.client import make_client

log = logging.getLogger(__name__)

# The broker keeps what comes while we are away, for a day.
SESSION_S = 86_400


class Subscriber:
    """Hands over every event once, in order per station.

    on_event is called for what the receiver finds new; the broker is told that a message has
    arrived only after on_event returned, so what it has stored survives a crash in between.
    on_status is called for each change of a station's retained status. Both run on the thread
    that calls ``run``.
    """

    def __init__(
        self,
        broker: UplinkConfig,
        *,
        client_id: str,
        on_event: Callable[[Received], None],
        on_status: Callable[[StatusEvent], None] = lambda status: None,
        station: str = "+",
        receiver: Receiver | None = None,
    ) -> None:
        """client_id names the session on the broker: unique, and the same at every start.
        station: one station's id, or "+" for all."""
        self._broker = broker
        self._topics = Topics(station, broker.topic_prefix)
        self._on_event = on_event
        self._on_status = on_status
        self._receiver = receiver or Receiver()
        self._subscribed = threading.Event()
        self._client = make_client(broker, client_id, clean_session=False)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.message_callback_add(self._topics.events, self._on_events_message)
        self._client.message_callback_add(self._topics.status, self._on_status_message)

    def run(self, stop: threading.Event) -> None:
        """Receive until ``stop`` is set; connects again whenever the connection is lost."""
        backoff = Backoff(self._broker.retry_max_s)
        while not stop.is_set():
            try:
                self._connect()
                while not stop.is_set() and self._client.loop(0.05) == mqtt.MQTT_ERR_SUCCESS:
                    if self._subscribed.is_set():
                        backoff.reset()
            except OSError as error:
                log.info("subscriber_waits reason=%s", error)
            self._subscribed.clear()
            if not stop.is_set():
                stop.wait(backoff.next_s())
        self._client.disconnect()

    def wait_subscribed(self, timeout_s: float) -> bool:
        """From another thread: wait until the broker has confirmed the subscription."""
        return self._subscribed.wait(timeout_s)

    def _connect(self) -> None:
        broker = self._broker
        if broker.protocol != "5":
            self._client.connect(broker.host, broker.port, broker.keepalive_s)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_S
        self._client.connect(
            broker.host, broker.port, broker.keepalive_s, clean_start=False, properties=properties
        )

    def _on_connect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            log.warning("subscriber_refused reason=%s", reason)
        else:
            # Each time: the broker may have lost the session.
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
            log.warning("subscriber_refused reason=%s", reasons)
        else:
            self._subscribed.set()

    def _on_events_message(
        self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage
    ) -> None:
        # PREFIX/STATION/events: the broker lets a station publish below its own name only.
        station = message.topic.split("/")[-2]
        try:
            received = self._receiver.accept(station, bytes(message.payload))
        except OutfeedError as error:
            log.warning("message_ignored topic=%s reason=%s", message.topic, error)
            return
        if received is not None:
            self._on_event(received)

    def _on_status_message(
        self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage
    ) -> None:
        try:
            status = StatusEvent.model_validate_json(message.payload)
        except ValidationError as error:
            log.warning("message_ignored topic=%s reason=%s", message.topic, error)
            return
        self._on_status(status)
