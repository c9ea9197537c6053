"""Helpers of the uplink tests: a central system that stores all events, and a journal to fill."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edge.config.station import StationConfig
from edge.events.event import StatusEvent, gap_event
from edge.journal.writer import Journal
from edge.receiver import ReceivedEvent, Receiver, Subscriber


@contextmanager
def running(target: Callable[..., None], *arguments: Any) -> Iterator[threading.Event]:
    """Call target(*arguments, stop) on a thread; stop it and join it at the end."""
    stop = threading.Event()
    thread = threading.Thread(target=target, args=(*arguments, stop))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


class Central:
    """A subscriber that keeps what it gets."""

    def __init__(self, config: StationConfig) -> None:
        self.received: list[ReceivedEvent] = []
        self.statuses: list[StatusEvent] = []
        self.receiver = Receiver()
        self.broker = config.uplink
        self.subscriber = Subscriber(
            config.uplink,
            client_id="central",
            on_event=self.received.append,
            on_status=self.statuses.append,
            receiver=self.receiver,
        )

    @property
    def sequences(self) -> list[int]:
        return [one.identity.sequence for one in self.received]

    def has(self, sequence: int) -> bool:
        return bool(self.received) and self.sequences[-1] >= sequence

    @property
    def causes(self) -> list[str]:
        return [status.cause for status in self.statuses]

    @contextmanager
    def listening(self) -> Iterator["Central"]:
        with running(self.subscriber.run):
            assert self.subscriber.wait_subscribed(10)
            yield self


def open_journal(config: StationConfig) -> Journal:
    return Journal.open(
        config.paths.journal,
        station=config.id,
        max_bytes=config.journal.max_bytes,
        cursor_path=config.paths.cursor,
    )


def fill(journal: Journal, batches: int, size: int = 10) -> None:
    for _ in range(batches):
        journal.append([gap_event("press-3", count=1, reason="test")] * size)
