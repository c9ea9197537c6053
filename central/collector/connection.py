"""The connection of the collector to the broker.

The client id is drawn at each start and the session ends with the connection. A broker that keeps
sessions of several collectors would hold back the events of one that has stopped. Nothing is lost
by this: what no statement covers is sent again by its station.
"""

from __future__ import annotations

import logging
import secrets
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from central.collector.inbox import MessageInbox, ReceivedMessage
from central.store.message import BrokerMessage
from edge.config.uplink import UplinkConfig
from edge.events.payload import Topics
from edge.uplink.backoff import Backoff
from edge.uplink.client import make_client
from edge.uplink.terms import explain
from edge.uplink.tls import CredentialsError

_log = logging.getLogger(__name__)

_POLL_S = 0.2
# Messages that a broker sends beyond the receive maximum are not read until others are committed.
_MOST_WAITING = 20_000
_GRACE_S = 2.0


class BrokerConnection:
    """An MQTT 5 client that hands over messages, and acknowledges them when it is asked to.

    Synchronization: ``run`` has a thread of its own. Any thread may call ``acknowledge`` and
    ``publish``, which only hand over.
    """

    def __init__(
        self,
        broker: UplinkConfig,
        inbox: MessageInbox,
        *,
        share: str | None,
        window: int,
        further: Sequence[str] = (),
        on_iteration: Callable[[], None] = lambda: None,
    ) -> None:
        """Open nothing yet.

        Args:
            broker: The address, login and TLS files of the broker.
            inbox: The queue for messages.
            share: The group of collectors that share the events; None: a single collector.
            window: The number of messages that the broker may send without acknowledgement.
            further: Filters of topics that the broker may refuse; the others are received then.
            on_iteration: Called on every iteration of the loop, at least every 0.2 s, except while
                a connection is opened.
        """
        self._broker = broker
        self._inbox = inbox
        self._window = window
        self._on_iteration = on_iteration
        topics = Topics("+", broker.topic_prefix)
        group = "" if share is None else f"$share/{share}/"
        self._topics = [(f"{group}{topics.events}", 1), (topics.status, 1)]
        self._needed = len(self._topics)
        self._topics.extend((f"{group}{each}", 1) for each in further)
        self._name = f"outfeed-central-{secrets.token_hex(8)}"
        self._number = 0
        self._client: mqtt.Client | None = None
        self._acks: deque[ReceivedMessage] = deque()
        self._outgoing: deque[tuple[str, bytes, bool]] = deque()
        self._subscribed = threading.Event()
        self._woken, self._waker = socket.socketpair()
        for each in (self._woken, self._waker):
            each.setblocking(False)

    @property
    def is_subscribed(self) -> bool:
        """Return whether the broker has confirmed the subscriptions of this connection."""
        return self._subscribed.is_set()

    def wait_subscribed(self, timeout_s: float) -> bool:
        """Wait until the broker has confirmed the subscriptions. Return False after timeout_s."""
        return self._subscribed.wait(timeout_s)

    def acknowledge(self, messages: Iterable[ReceivedMessage]) -> None:
        """Acknowledge messages to the broker; those of an earlier connection are left out."""
        self._acks.extend(messages)
        self._wake()

    def publish(self, topic: str, payload: bytes, *, retain: bool = True) -> bool:
        """Publish a message with QoS 1. Return False while there is no connection."""
        if not self._subscribed.is_set():
            return False
        self._outgoing.append((topic, payload, retain))
        self._wake()
        return True

    def run(self, stop: threading.Event) -> None:
        """Receive until ``stop`` is set. Blocks. After a lost connection it connects again."""
        backoff = Backoff(self._broker.retry_max_s)
        while not stop.is_set():
            client: mqtt.Client | None = None
            try:
                client = self._connect()
                while not stop.is_set() and self._iterate(client):
                    if self._subscribed.is_set():
                        backoff.reset()
            except (OSError, CredentialsError, ValueError) as error:
                _log.warning("broker_lost reason=%s", error)
            if client is not None:
                self._end(client)
            self._subscribed.clear()
            self._outgoing.clear()
            pause_s = time.monotonic() + backoff.next_s()
            while not stop.is_set() and time.monotonic() < pause_s:
                self._on_iteration()
                stop.wait(min(_POLL_S, max(0.0, pause_s - time.monotonic())))

    def close(self) -> None:
        """Close the sockets between threads, after ``run`` has ended."""
        self._woken.close()
        self._waker.close()

    def _connect(self) -> mqtt.Client:
        self._number += 1
        client = make_client(self._broker, self._name, clean_session=True)
        client.manual_ack_set(True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        # With this callback paho writes in loop_write only, so on this thread only.
        client.on_socket_register_write = lambda *_: None
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0
        properties.ReceiveMaximum = self._window
        client.connect(
            self._broker.host,
            self._broker.port,
            self._broker.keepalive_s,
            clean_start=True,
            properties=properties,
        )
        return client

    def _iterate(self, client: mqtt.Client) -> bool:
        """Wait for the sockets once, at most 0.2 s. Return whether the connection remains."""
        self._on_iteration()
        sock = client.socket()
        if sock is None:
            return False
        self._hand_over(client)
        is_full = len(self._inbox) >= _MOST_WAITING
        reading = [self._woken] if is_full else [self._woken, sock]
        writing = [sock] if client.want_write() else []
        pending = 0 if is_full or not hasattr(sock, "pending") else sock.pending()
        readable, writable, _ = select.select(reading, writing, [], 0 if pending else _POLL_S)
        if self._woken in readable:
            with suppress(BlockingIOError):
                self._woken.recv(4096)
            self._hand_over(client)
        good = mqtt.MQTT_ERR_SUCCESS
        if (sock in readable or pending) and client.loop_read() != good:
            return False
        if (writable or client.want_write()) and client.loop_write() != good:
            return False
        return client.loop_misc() == good

    def _hand_over(self, client: mqtt.Client) -> None:
        """Give waiting acknowledgements and statements to the client."""
        while self._acks:
            one = self._acks.popleft()
            if one.connection == self._number:
                client.ack(one.message_id, one.qos)
        while self._outgoing:
            topic, payload, retain = self._outgoing.popleft()
            client.publish(topic, payload, qos=1, retain=retain)

    def _end(self, client: mqtt.Client) -> None:
        """Send what waits, at most for 2 s, and disconnect."""
        with suppress(OSError, ValueError):
            self._hand_over(client)
            client.disconnect()
            deadline_s = time.monotonic() + _GRACE_S
            while client.want_write() and client.socket() and time.monotonic() < deadline_s:
                if client.loop_write() != mqtt.MQTT_ERR_SUCCESS:
                    break
        if (sock := client.socket()) is not None:
            sock.close()

    def _wake(self) -> None:
        with suppress(BlockingIOError, OSError):
            self._waker.send(b"\0")

    def _on_connect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            _log.warning("broker_refused reason=%s", explain(reason, properties))
            return
        if getattr(properties, "SharedSubscriptionAvailable", 1) == 0:
            _log.warning("no_shared_subscriptions: the broker offers none; leave out share")
        client.subscribe(self._topics)

    def _on_subscribe(
        self,
        client: mqtt.Client,
        userdata: object,
        message_id: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        refused = [each.is_failure or each.value < 1 for each in reasons]
        if any(refused):
            texts = ", ".join(explain(reason, properties) for reason in reasons)
            if any(refused[: self._needed]):
                _log.error("subscription_refused reason=%s", texts)
                client.disconnect()
                return
            _log.warning("lots_not_received: the broker refuses their topic: reason=%s", texts)
        _log.info("collector_subscribed broker=%s:%s", self._broker.host, self._broker.port)
        self._subscribed.set()

    def _on_disconnect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        _log.info("collector_disconnected reason=%s", explain(reason, properties))

    def _on_message(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        received = BrokerMessage(topic, bytes(message.payload), time.time_ns() // 1000)
        self._inbox.put(ReceivedMessage(received, self._number, message.mid, message.qos))
