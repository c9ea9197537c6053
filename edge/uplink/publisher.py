"""Carries the journal to the broker, at least once and in order, for as long as it takes."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque

import edge
from edge.clock import boot_id, utc_now
from edge.config import StationConfig
from edge.config_uplink import UplinkConfig
from edge.errors import JournalError
from edge.events.cursor import SAVE_S, Position, read_cursor, write_cursor
from edge.events.event import StatusEvent
from edge.events.identity import Stored
from edge.events.lock import FileLock
from edge.events.reader import JournalReader
from edge.events.topics import Topics
from edge.uplink.backoff import Backoff
from edge.uplink.connection import Connection, StatusTexts, UplinkError
from edge.watchdog import SILENT, Notifier

log = logging.getLogger(__name__)

# How often the journal is looked at while nothing happens. A look is a stat and an indexed SELECT,
# 7 us; a whole turn with paho's select makes 0.5 % of a core at this rate (measured, idle, x86-64).
# A file watch would save that and add a way to miss a row; an event waits 25 ms on average.
POLL_S = 0.05


def run_uplink(config: StationConfig, stop: threading.Event, notifier: Notifier = SILENT) -> None:
    """Publish the station's journal until ``stop`` is set; returns within seconds of that.

    Blocks; starts no thread. Survives every fault of network and broker. Raises ConfigError for
    credentials that cannot be used, JournalError while another uplink runs on the same folder.
    The notifier hears that it is ready once the folder is its own, whether or not a broker answers.
    """
    config.uplink_path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(
        config.cursor_path.with_suffix(".lock"), held="another uplink is running on this folder"
    )
    try:
        with JournalReader(config.journal_path) as reader:
            publisher = Publisher(config, reader, notifier)
            notifier.ready("no broker yet")
            publisher.run(stop)
            notifier.stopping("")
    finally:
        lock.release()


class Publisher:
    """Reads behind the cursor, publishes, and moves the cursor over what was acknowledged.

    Memory: two windows of max_inflight events at most, however long the journal is.
    All methods on one thread, which gives the heartbeats itself, at every turn: a step that does
    not return ends them. The longest that does return is a connection: connect_timeout_s for each
    of TCP, TLS and CONNACK, and what the system's resolver takes, half a minute with nobody there.
    """

    def __init__(
        self, config: StationConfig, reader: JournalReader, notifier: Notifier = SILENT
    ) -> None:
        self._notifier = notifier
        self._alive_s = 0.0
        self._state = "no broker yet"
        self._uplink: UplinkConfig = config.uplink
        self._topics = Topics(config.id, config.uplink.topic_prefix)
        self._bundle = config.bundle.name
        self._cursor_path = config.cursor_path
        self._reader = reader
        self._backoff = Backoff(config.uplink.retry_max_s)
        self._published = read_cursor(config.cursor_path)
        self._saved = self._published
        self._saved_s = 0.0
        self._behind: Position | None = None
        self._complaint = ""

    def run(self, stop: threading.Event) -> None:
        """Connect, carry, and connect again after a pause, until ``stop`` is set."""
        while not stop.is_set():
            connection = Connection(self._uplink, self._topics, self._status())
            opened_s = time.monotonic()
            try:
                connection.open(stop.is_set)
                log.info("uplink_connected host=%s port=%s", self._uplink.host, self._uplink.port)
                self._state = f"connected to {self._uplink.host}:{self._uplink.port}"
                self._carry(connection, stop)
                connection.close()
            except UplinkError as error:
                if not stop.is_set():
                    self._state = f"no broker: {error}"
                    self._complain("uplink_down reason=%s", str(error))
            finally:
                connection.drop()
                self._advance(connection)
                self._save()
            if time.monotonic() - opened_s > self._uplink.retry_max_s:
                self._backoff.reset()
            self._pause(stop, self._backoff.next_s())

    def _pause(self, stop: threading.Event, pause_s: float) -> None:
        until_s = time.monotonic() + pause_s
        while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            self._alive()
            stop.wait(min(left_s, self._notifier.interval_s))

    def _alive(self) -> None:
        """The loop has come round. Waiting for a broker is no hang: no restart would help."""
        if (now_s := time.monotonic()) - self._alive_s >= self._notifier.interval_s:
            done = 0 if self._published is None else self._published.published
            self._notifier.alive(f"{self._state}; published up to {done}")
            self._alive_s = now_s

    def _carry(self, connection: Connection, stop: threading.Event) -> None:
        sent = self._published
        waiting: deque[Stored] = deque()
        while not stop.is_set():
            self._alive()
            if not waiting and connection.room:
                waiting.extend(self._read(sent))
            while waiting and connection.room:
                stored = waiting.popleft()
                connection.publish(stored)
                sent = stored.position
            connection.turn(POLL_S)
            if self._advance(connection):
                self._backoff.reset()
                self._complaint = ""
            if time.monotonic() - self._saved_s > SAVE_S:
                self._save()

    def _read(self, after: Position | None) -> list[Stored]:
        try:
            rows = self._reader.read(after, self._uplink.max_inflight)
            if self._reader.behind != self._behind:
                # A backup may have brought an older cursor too. The station is to see at its start
                # how far its journal was published.
                self._behind, self._saved = self._reader.behind, None
                self._save()
            return rows
        except JournalError as error:
            self._complain("uplink_cannot_read reason=%s", str(error))
            return []

    def _advance(self, connection: Connection) -> bool:
        position = connection.position
        if position is None or position == self._published:
            return False
        self._published = position
        return True

    def _save(self) -> None:
        if self._published is None or self._published == self._saved:
            return
        try:
            write_cursor(self._cursor_path, self._published)
        except JournalError as error:
            self._complain("uplink_cannot_save reason=%s", str(error))
        else:
            self._saved = self._published
        self._saved_s = time.monotonic()

    def _complain(self, event: str, reason: str) -> None:
        """The same complaint is a warning once, until something was published again."""
        level = logging.DEBUG if reason == self._complaint else logging.WARNING
        log.log(level, event, reason)
        self._complaint = reason

    def _status(self) -> StatusTexts:
        online = StatusEvent(
            station=self._topics.station,
            boot_id=boot_id(),
            utc=utc_now(),
            state="online",
            cause="connected",
            version=edge.__version__,
            bundle=self._bundle,
        )
        return StatusTexts(
            online=online,
            stopped=online.model_copy(update={"state": "offline", "cause": "stopped"}),
            lost=online.model_copy(update={"state": "offline", "cause": "lost"}),
        )
