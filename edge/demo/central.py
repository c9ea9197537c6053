"""A central system in a thread, which receives and shows the events of the station."""

from __future__ import annotations

import threading
from collections import deque

from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from edge.config.uplink import UplinkConfig
from edge.errors import OutfeedError
from edge.events.event import ActuationEvent, GapEvent, MarkEvent, PartEvent
from edge.events.start import StartEvent
from edge.receiver.receiver import ReceivedEvent
from edge.receiver.subscriber import Subscriber
from edge.terminals import escape

_SHOWN = 8
_SUBSCRIBE_S = 10.0
_STYLES = {"PASS": "green", "REJECT": "red", "UNKNOWN": "yellow"}


class Central:
    """Counts each event once, and stores the last eight. Owns one thread."""

    def __init__(self, broker: UplinkConfig, *, station: str, parts: int) -> None:
        self.received = 0
        self._recent: deque[ReceivedEvent] = deque(maxlen=_SHOWN)
        self._stop = threading.Event()
        self._subscriber = Subscriber(
            broker, client_id="outfeed-demo-central", on_event=self._keep, station=station
        )
        self._thread = threading.Thread(
            target=self._subscriber.run, args=(self._stop,), name="central", daemon=True
        )
        self._progress = Progress(
            TextColumn("parts"), BarColumn(), MofNCompleteColumn(), auto_refresh=False
        )
        self._task = self._progress.add_task("", total=parts)

    def start(self) -> None:
        """Start the thread and wait for the confirmed subscription, at most 10 s.

        Raises OutfeedError if it is not confirmed.
        """
        self._thread.start()
        if not self._subscriber.wait_subscribed(_SUBSCRIBE_S):
            self.close()
            raise OutfeedError(f"demo: the broker confirms no subscription in {_SUBSCRIBE_S:g} s")

    def close(self) -> None:
        """End the thread. No event is received afterwards."""
        self._stop.set()
        self._thread.join(10)

    def view(self) -> RenderableType:
        """Return the last events and the progress of the belt. Any thread."""
        table = Table(title="received by the central system", title_justify="left", expand=True)
        for heading in ("event", "part", "type", "details"):
            table.add_column(heading, no_wrap=True)
        for received in list(self._recent):
            number = str(received.identity.sequence)
            event = received.event
            if isinstance(event, PartEvent):
                decision = event.decision.value
                text = f"[{_STYLES[decision]}]{decision}[/]"
                table.add_row(number, str(event.part_id), text, escape(event.reason))
            elif isinstance(event, ActuationEvent):
                late = (
                    "" if event.error_us is None else f"{event.error_us:.0f} µs after the due time"
                )
                table.add_row(number, str(event.part_id), event.action.value, late)
            elif isinstance(event, MarkEvent):
                table.add_row(number, str(event.part_id), event.mark, escape(event.note))
            elif isinstance(event, StartEvent):
                table.add_row(number, "", "start", f"previous run: {event.last_end}")
            elif isinstance(event, GapEvent):
                table.add_row(number, "", "gap", escape(event.reason))
        return Group(table, self._progress.get_renderable())

    def _keep(self, received: ReceivedEvent) -> None:
        """Count and store an event. Runs on the thread."""
        self.received += 1
        self._recent.append(received)
        if isinstance(received.event, PartEvent):
            self._progress.advance(self._task)
