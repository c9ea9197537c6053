"""The publisher of the journal: it sends every event to the broker, at least once and in order."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import replace
from functools import partial

from edge.clock import utc_now
from edge.config.station import StationConfig
from edge.config.uplink import UplinkConfig
from edge.errors import JournalError, OutfeedError
from edge.events.identity import JournalPosition, StoredEvent
from edge.events.payload import Topics
from edge.journal.cursor import SAVE_S, read_cursor, write_cursor
from edge.journal.lock import FileLock
from edge.journal.reader import JournalReader
from edge.uplink import terms
from edge.uplink.backoff import Backoff
from edge.uplink.commissioning import read_commissioning
from edge.uplink.connection import BrokerFeatures, Connection
from edge.uplink.failures import (
    ConnectRefusedError,
    EventRefusedError,
    TakenOverError,
    UnexplainedEndError,
    UplinkError,
)
from edge.uplink.health import read_health
from edge.uplink.outgoing import OutgoingEvent
from edge.uplink.resend import make_resender
from edge.uplink.state import UplinkStateFile
from edge.uplink.statuses import StatusMessages, StatusSchedule, make_statuses
from edge.uplink.suspicion import Suspicion
from edge.uplink.tls import CredentialsError
from edge.uplink.unsaved import Unsaved
from edge.watchdog import SILENT, Notifier

log = logging.getLogger(__name__)

# Time between two reads of the journal while it has no new events. A read is a stat and an indexed
# SELECT, 7 us. With the select of paho, idle polling takes 0.5 % of a core (x86-64). An event waits
# 25 ms on average. A file watch could miss a row.
POLL_S = 0.05

# A shorter connection does not count as a success, even if it published events. Otherwise two
# clients with one name and a backlog would end each other's connection three times a second.
_SETTLED_S = 5.0

# After a connection of this length, no other client with the same name is active.
_CALM_S = 60.0

# Connections in a row that ended without a reason, each before _CALM_S, for a warning.
_SUSPICIOUS_ENDS = 3

# Events behind the first one, among which a trial chooses.
_FOLLOWERS = 64


def run_uplink(config: StationConfig, stop: threading.Event, notifier: Notifier = SILENT) -> None:
    """Publish the journal of a station until ``stop`` is set, and return a few seconds later.

    Blocks, and starts no thread. It continues after every fault of network and broker. Password and
    TLS files that are missing, empty or do not match may be in replacement, so it warns and tries
    again. Raises JournalError while another uplink runs on the same folder. The notifier reports
    "ready" once the folder is locked, even if no broker answers.
    """
    config.paths.uplink.mkdir(parents=True, exist_ok=True)
    lock = FileLock(config.paths.uplink_lock, held="another uplink is running on this folder")
    try:
        with JournalReader(config.paths.journal) as reader:
            publisher = Publisher(config, reader, notifier)
            notifier.ready("no broker yet")
            publisher.run(stop)
            notifier.stopping("")
    finally:
        lock.release()


class Publisher:
    """Reads events behind the cursor, publishes them, and moves the cursor after acknowledgements.

    Memory: two windows of max_inflight events at most, for any length of the journal.

    All methods run on one thread, which records a heartbeat on each iteration. The longest step is
    to connect: connect_timeout_s for each of TCP, TLS and CONNACK, and half a minute for the
    system's resolver if no server answers.
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
        self._cursor_path = config.paths.cursor
        self._reader = reader
        self._backoff = Backoff(config.uplink.retry_max_s)
        self._published = read_cursor(config.paths.cursor)
        self._saved = self._published
        self._saved_s = 0.0
        self._behind: JournalPosition | None = None
        self._last_warning = ""
        self._record = UplinkStateFile(config.paths.uplink)
        self._paths = config.paths
        self._commissioning = partial(read_commissioning, config)
        self._statuses = StatusSchedule(config.uplink.status_interval_s)
        self._manner = BrokerFeatures()
        self._connected_without_will = False
        self._suspicion = Suspicion()
        self._is_proof = False
        self._given_up: tuple[JournalPosition, str] | None = None
        self._unexplained = 0
        self._unsaved = Unsaved()
        self._resender = make_resender(config)

    def run(self, stop: threading.Event) -> None:
        """Connect, publish, and connect again after a pause, until ``stop`` is set."""
        while not stop.is_set():
            before = self._published
            opened_s: float | None = None
            failure: OutfeedError | None = None
            connection: Connection | None = None
            self._is_proof = False
            try:
                connection = Connection(self._uplink, self._topics, self._status(), self._manner)
                connection.open(stop.is_set)
                self._check_will()
                opened_s = time.monotonic()
                log.info("uplink_connected host=%s port=%s", self._uplink.host, self._uplink.port)
                self._state = f"connected to {self._uplink.host}:{self._uplink.port}"
                self._publish(connection, stop, opened_s)
                connection.close(self._status().farewell)
            except (UplinkError, CredentialsError) as error:
                failure = error
            finally:
                if connection is not None:
                    connection.drop()
                    self._advance(connection)
                    self._manner = replace(connection.manner, has_will=self._manner.has_will)
            if failure is not None and not stop.is_set():
                lived_s = 0.0 if opened_s is None else time.monotonic() - opened_s
                self._handle_failure(connection, failure, lived_s, was_open=opened_s is not None)
                has_resolved = self._given_up is not None
                if not self._record.state.takeovers and (
                    lived_s > self._uplink.retry_max_s
                    or (self._published != before and (lived_s > _SETTLED_S or has_resolved))
                ):
                    self._backoff.reset()
            self._save()
            self._record.save(at_once=True)
            self._pause(stop, self._backoff.next_s())
        self._resender.close()

    def _handle_failure(
        self,
        connection: Connection | None,
        failure: OutfeedError,
        lived_s: float,
        *,
        was_open: bool,
    ) -> None:
        """Record the reason for the end of a connection, and adapt the next connection to it."""
        line = str(failure)
        if isinstance(failure, TakenOverError):
            self._record.change(takeovers=self._record.state.takeovers + 1)
        elif isinstance(failure, ConnectRefusedError):
            self._adapt(failure.code)
        elif connection is not None and was_open:
            self._suspect(connection, failure)
        if not was_open or lived_s > _CALM_S:
            self._unexplained = 0
        elif isinstance(failure, UnexplainedEndError):
            self._unexplained += connection is not None and connection.alone is None
        if self._unexplained >= _SUSPICIOUS_ENDS:
            # Mosquitto 2.0.11 ends the older of two clients of one name without a reason.
            self._record.change(takeovers=max(self._unexplained, self._record.state.takeovers))
            line += (
                f", {self._unexplained} times in a row: perhaps two stations have one name or one "
                f"certificate, and another client is outfeed-{self._topics.station} too"
            )
        if not isinstance(failure, (EventRefusedError, TakenOverError)):
            self._unsaved.ended(lived_s)
        self._state = f"no broker: {line}"
        self._trouble(line)
        self._warn("uplink_down reason=%s", line)

    def _suspect(self, connection: Connection, failure: OutfeedError) -> None:
        """Check whether an event, or the gap event in its place, is at fault."""
        has_reason = isinstance(failure, EventRefusedError)
        alone = failure.refused if isinstance(failure, EventRefusedError) else connection.alone
        if has_reason and alone is not None and not alone.in_order:
            self._resender.refused(alone, str(failure))
        elif not has_reason:
            self._resender.ended(alone)
        if alone is None or not alone.in_order:
            return
        if alone.instead_of is not None:
            # The broker refuses even a gap event of 500 bytes, so it accepts no event now.
            self._given_up = None
            return
        why = failure.why if isinstance(failure, EventRefusedError) else str(failure)
        is_lasting = isinstance(failure, EventRefusedError) and failure.is_lasting
        is_at_fault = self._suspicion.failed(alone, is_proof=self._is_proof, has_reason=has_reason)
        if is_lasting or is_at_fault:
            self._given_up = (alone.stored.position, why)

    def _adapt(self, code: int) -> None:
        """Disable the feature that the broker may have refused at connect."""
        if code == terms.RETAIN_NOT_SUPPORTED:
            self._manner = replace(self._manner, has_retain=False)
        elif code in terms.PERHAPS_OF_THE_WILL:
            self._manner = replace(self._manner, has_will=not self._manner.has_will)

    def _check_will(self) -> None:
        """Raise UplinkError for the first connection without a last will.

        It is accepted only after one with a will was refused twice, because the reason of the first
        refusal may have passed.
        """
        if self._manner.has_will:
            self._connected_without_will = False
        elif not self._connected_without_will:
            self._connected_without_will = True
            self._manner = replace(self._manner, has_will=True)
            raise UplinkError("the broker refused the connection with a last will: once more")
        else:
            log.warning("uplink_without_will: the broker refuses it; the status stays online")

    def _pause(self, stop: threading.Event, pause_s: float) -> None:
        until_s = time.monotonic() + pause_s
        while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            self._alive()
            stop.wait(min(left_s, self._notifier.interval_s))

    def _alive(self) -> None:
        """Record a heartbeat, also while waiting for a broker, because a restart would not help."""
        if (now_s := time.monotonic()) - self._alive_s >= self._notifier.interval_s:
            done = 0 if self._published is None else self._published.published
            self._notifier.heartbeat(f"{self._state}; published up to {done}")
            self._alive_s = now_s

    def _publish(self, connection: Connection, stop: threading.Event, opened_s: float) -> None:
        self._try_head(connection, stop)
        sent = self._unsaved.begin(self._published)
        waiting: deque[StoredEvent] = deque()
        while not stop.is_set():
            self._alive()
            if not waiting and connection.free_slots:
                waiting.extend(self._read(sent, self._uplink.max_inflight))
            while waiting and connection.free_slots:
                stored = waiting.popleft()
                connection.publish(self._outgoing(connection, stored))
                sent = stored.position
            if not waiting:
                self._resender.turn(connection, self._published, self._outgoing)
            connection.turn(POLL_S)
            lived_s = time.monotonic() - opened_s
            if self._advance(connection) or lived_s > _SETTLED_S:
                self._succeed(lived_s)
            if time.monotonic() - self._saved_s > SAVE_S:
                self._save()
                self._record.save()
            self._publish_counts(connection)

    def _try_head(self, connection: Connection, stop: threading.Event) -> None:
        """If the first event keeps failing, send a later one ahead, then the first one alone."""
        rows = self._read(self._published, 1 + _FOLLOWERS)
        if len(rows) < 2 or not self._suspicion.wants_trial(rows[0].position):
            return
        ahead = OutgoingEvent(rows[1 + self._suspicion.choose(len(rows) - 1)], in_order=False)
        head = self._outgoing(connection, rows[0])
        if head.instead_of is not None or not connection.fits(ahead):
            return
        for outgoing in (ahead, head):
            while not connection.is_idle and not stop.is_set():
                self._alive()
                connection.turn(POLL_S)
            self._is_proof = outgoing is head
            connection.publish(outgoing)
        while not connection.is_idle and not stop.is_set():
            self._alive()
            connection.turn(POLL_S)
        self._advance(connection)

    def _outgoing(self, connection: Connection, stored: StoredEvent) -> OutgoingEvent:
        """Return the event, or a gap event if the broker does not accept the event.

        Raises UplinkError if the Maximum Packet Size of the broker is too small for any event.
        """
        if self._given_up is not None and self._given_up[0] == stored.position:
            return OutgoingEvent(stored, instead_of=self._given_up[1])
        plain = OutgoingEvent(stored)
        if connection.fits(plain):
            return plain
        most = connection.terms.packet_bytes
        why = f"{len(stored.payload)} bytes, its Maximum Packet Size is {most}"
        gap = OutgoingEvent(stored, instead_of=why)
        if not connection.fits(gap):
            raise UplinkError(f"the broker's Maximum Packet Size is {most}: too small for events")
        return gap

    def _read(self, after: JournalPosition | None, limit: int) -> list[StoredEvent]:
        try:
            rows = self._reader.read(after, limit)
            if self._reader.behind != self._behind:
                # A backup may have restored an older cursor too. The cursor is saved, so that the
                # station knows at its start how far its journal was published.
                self._behind, self._saved = self._reader.behind, None
                self._save()
            return rows
        except JournalError as error:
            self._warn("uplink_cannot_read reason=%s", str(error))
            return []

    def _advance(self, connection: Connection) -> bool:
        """Process the acknowledged events. Return True if the position moved."""
        unheard = 0
        for delivered in [one for one in connection.take_delivered() if one.outgoing.in_order]:
            sent = delivered.outgoing
            unheard += not delivered.is_heard
            if sent.instead_of is not None:
                self._record.set_aside(sent.stored.event_id, sent.stored.payload, sent.instead_of)
                self._given_up = None
                self._unsaved = Unsaved()  # it must not be sent again
        if unheard:
            if not self._record.state.unheard:
                log.warning("events_unheard: the broker has no subscriber for %s", self._topics)
            self._record.change(unheard=self._record.state.unheard + unheard)
        position = connection.position
        if position is None or position == self._published or self._unsaved.is_repeat(position):
            return False
        self._unsaved.moved(before := self._published)
        if before is not None and before.journal == position.journal:
            # What was stated stays known until the next statement, also after a restart.
            position = replace(position, committed=before.committed)
        self._published = position
        return True

    def _succeed(self, lived_s: float) -> None:
        """Record that events are published, or could be."""
        state = self._record.state
        if state.takeovers and lived_s < _CALM_S:
            return
        self._last_warning = ""
        if lived_s > _SETTLED_S:
            self._backoff.reset()
        if state.trouble or state.takeovers:
            self._record.change(trouble="", since_utc="", takeovers=0)

    def _trouble(self, line: str) -> None:
        if line != self._record.state.trouble:
            self._record.change(trouble=line, since_utc=self._record.state.since_utc or utc_now())

    def _publish_counts(self, connection: Connection) -> None:
        """Publish the status again if it is due: new counts, or after ``status_interval_s``."""
        journal = self._published.journal if self._published else self._statuses.journal
        if self._statuses.take_due(self._record.state, journal, time.monotonic()):
            connection.publish_status(self._status().online)

    def _save(self) -> None:
        if self._published is None:
            return
        committed = self._resender.committed(self._published.journal)
        if committed is not None or self._uplink.acknowledged_by == "broker":
            self._published = replace(self._published, committed=committed)
        saved = self._saved
        if saved == self._published and saved.committed == self._published.committed:
            return
        try:
            write_cursor(self._cursor_path, self._published)
        except JournalError as error:
            self._warn("uplink_cannot_save reason=%s", str(error))
        else:
            self._saved = self._published
        self._saved_s = time.monotonic()

    def _warn(self, event: str, reason: str) -> None:
        """Log a warning once. Repeat the same one at DEBUG until an event was published again."""
        level = logging.DEBUG if reason == self._last_warning else logging.WARNING
        log.log(level, event, reason)
        self._last_warning = reason

    def _status(self) -> StatusMessages:
        journal = self._reader.journal()
        published = self._published
        if published is None or (journal and published.journal != journal):
            published = JournalPosition(journal, 0)
        state = self._record.state
        self._statuses.made(state, published.journal, time.monotonic())
        health = read_health(self._uplink, self._paths)
        known = (self._topics.station, self._bundle, state, published, health)
        return make_statuses(*known, commissioning=self._commissioning())
