"""The subscription of one connection to signed commands, and the work that they give the uplink."""

from __future__ import annotations

import logging
import time
from collections import deque
from pathlib import Path
from typing import Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.commands.spool import (
    MAX_MESSAGES,
    MessageSpool,
    Order,
    Orders,
    Report,
    ReportFile,
    read_orders,
)
from edge.config.station import StationConfig
from edge.events.identity import JournalPosition, StoredEvent
from edge.journal.reader import JournalReader
from edge.uplink.terms import explain

log = logging.getLogger(__name__)

# Time between two looks at the orders of the station.
_LOOK_S = 0.5

# Events that one read takes from the journal.
_BATCH = 32


class Feed(Protocol):
    """A subscription that reports its refusal."""

    def refused(self, message_id: int, reason: str) -> None:
        """Log that the broker refused a subscription, if it is this one."""
        ...


def report_refusals(client: mqtt.Client, *feeds: Feed) -> None:
    """Report each refused subscription to its feed. Sets a callback of the client."""

    def on_subscribe(
        client: mqtt.Client,
        userdata: object,
        message_id: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            text = ", ".join(explain(reason, properties) for reason in reasons)
            for feed in feeds:
                feed.refused(message_id, text)

    client.on_subscribe = on_subscribe


class CommandFeed:
    """Receives messages on a topic of the station, once ``follow`` was called.

    Synchronization: the callbacks run on the thread that calls ``Client.loop``.
    """

    def __init__(self, client: mqtt.Client, topic: str) -> None:
        """Subscribe to nothing yet."""
        self._client = client
        self._topic = topic
        self._waiting: deque[bytes] = deque(maxlen=MAX_MESSAGES)
        self._message_id: int | None = None

    def follow(self) -> None:
        """Subscribe, unless that is done. Never blocks."""
        if self._message_id is None:
            self._client.message_callback_add(self._topic, self._on_message)
            self._message_id = self._client.subscribe(self._topic, qos=1)[1]

    def take(self) -> list[bytes]:
        """Return the messages that have arrived since the last call, the oldest first."""
        messages = list(self._waiting)
        self._waiting.clear()
        return messages

    def refused(self, message_id: int, reason: str) -> None:
        """Log that the broker refused a subscription, if it is this one."""
        if message_id == self._message_id:
            log.warning("topic_refused topic=%s reason=%s", self._topic, reason)

    def close(self) -> None:
        """Remove the callback."""
        self._client.message_callback_remove(self._topic)

    def _on_message(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        self._waiting.append(bytes(message.payload))


class CommandRelay:
    """Hands received messages to the station, and sends what accepted commands ask for.

    The uplink decides about no command. The station checks each signature itself, so that a hostile
    uplink can withhold commands, but not make them. All methods run on the thread of the publisher,
    and block on the disk only.
    """

    def __init__(self, config: StationConfig) -> None:
        """Open nothing yet."""
        self._is_on = bool(config.commands.accept)
        self._orders_path: Path = config.paths.orders
        self._spool = MessageSpool(config.paths.received_commands)
        self._reports = ReportFile(config.paths.uplink_reports)
        self._reader = JournalReader(config.paths.journal)
        self._feed: CommandFeed | None = None
        self._orders: Orders | None = None
        self._stamp: tuple[int, int] | None = None
        self._looked_s = -_LOOK_S
        self._rows: deque[StoredEvent] = deque()
        self._current: Order | None = None
        self._next = 0
        self._sent = 0
        self._awaited: int | None = None  # messages to be confirmed before the report

    def turn(self, feed: CommandFeed, published: JournalPosition | None) -> None:
        """Store new messages, and look for new orders."""
        if not self._is_on:
            return
        if feed is not self._feed:
            # What was under way on the last connection may be lost.
            self._feed = feed
            self._drop_current()
        feed.follow()
        for payload in feed.take():
            self._spool.add(payload, 0 if self._orders is None else self._orders.taken)
        now_s = time.monotonic()
        if now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            self._look()
        if self._current is None and self._orders is not None and published is not None:
            self._begin(self._orders)

    def next_event(self, published: JournalPosition) -> StoredEvent | None:
        """Return the next event that a command asks for; None: there is none now.

        Raises JournalError.
        """
        order = self._current
        if order is None:
            return None
        last = min(order.last, published.published) if order.journal == published.journal else 0
        while self._rows and self._rows[0].sequence < self._next:
            self._rows.popleft()
        if not self._rows and self._next <= last:
            before = JournalPosition(order.journal, self._next - 1)
            rows = [each for each in self._reader.read(before, _BATCH) if each.sequence <= last]
            self._rows.extend(each for each in rows if each.journal == order.journal)
        if not self._rows:
            self._next = order.last + 1
            return None
        stored = self._rows.popleft()
        self._next = stored.sequence + 1
        self._sent += 1
        return stored

    def confirm(self, sent: int, confirmed: int) -> None:
        """Report the present order, if everything was sent and the broker has confirmed it.

        sent, confirmed: messages of the connection, which are confirmed in order.
        """
        order = self._current
        if order is None or self._orders is None or self._next <= order.last:
            return
        if self._awaited is None:
            self._awaited = sent
        if confirmed < self._awaited:
            return
        missing = order.last - order.first + 1 - self._sent
        text = f"{self._sent} events were sent again"
        if missing > 0:
            text += f"; {missing} numbers are not in the journal, or not published yet"
        log.info("resend_done command=%s events=%s", order.id, self._sent)
        self._reports.add(Report(id=order.id, is_done=self._sent > 0, text=text), self._orders)
        self._current = None

    def close(self) -> None:
        """Close the journal."""
        self._reader.close()

    def _look(self) -> None:
        try:
            status = self._orders_path.stat()
        except OSError:
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp == self._stamp:
            return
        orders = read_orders(self._orders_path)
        if orders is None:
            return
        self._stamp, self._orders = stamp, orders
        self._spool.remove_taken(orders.taken)
        if self._current is not None and self._current not in orders.orders:
            self._drop_current()

    def _drop_current(self) -> None:
        """Forget how far the present order was sent; it begins again while it is open."""
        self._rows.clear()
        self._current = None

    def _begin(self, orders: Orders) -> None:
        for order in orders.orders:
            if order.kind == "resend" and not self._reports.has(order):
                log.info(
                    "resend_begins command=%s first=%s last=%s", order.id, order.first, order.last
                )
                self._current, self._next, self._sent = order, order.first, 0
                self._awaited = None
                self._rows.clear()
                return
