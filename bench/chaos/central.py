"""The receiver of the central system, and all events delivered to it."""

from __future__ import annotations

import threading

from edge.config.uplink import UplinkConfig
from edge.events.identity import StoredEvent
from edge.receiver.receiver import ReceivedEvent, Receiver
from edge.receiver.subscriber import Subscriber

CLIENT_ID = "chaos-central"


class RestlessCentral:
    """A central system that disconnects and connects again under one name, with one receiver.

    It states what it has received, so stations send again what the broker lost.
    """

    def __init__(self, port: int, station: str) -> None:
        self.received: list[ReceivedEvent] = []
        self.receiver = Receiver()
        self._config = UplinkConfig(port=port, retry_max_s=0.2)
        self._station = station
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def come(self) -> None:
        """Connect on a new thread and return at once."""
        stop = threading.Event()
        subscriber = Subscriber(
            self._config,
            client_id=CLIENT_ID,
            on_event=self.received.append,
            station=self._station,
            receiver=self.receiver,
            states_as="chaos",
        )
        self._stop = stop
        self._thread = threading.Thread(target=subscriber.run, args=(stop,), daemon=True)
        self._thread.start()
        self._subscriber = subscriber

    def wait_subscribed(self, timeout_s: float) -> bool:
        """Return whether the broker has confirmed the subscription within timeout_s."""
        return self._subscriber.wait_subscribed(timeout_s)

    def has(self, stored: StoredEvent) -> bool:
        """Return whether this row of a journal has been delivered."""
        place = (stored.journal, stored.sequence)
        recent = reversed(self.received[-1_000:])
        return any((each.identity.journal, each.identity.sequence) == place for each in recent)

    def go(self) -> None:
        """Disconnect and join the thread."""
        if self._stop is not None and self._thread is not None:
            self._stop.set()
            self._thread.join(10)
