"""Sends events again that a central system is missing, from the journal."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from edge.config.station import StationConfig
from edge.errors import JournalError, OutfeedError
from edge.events.committed import CommittedRange, parse_statement
from edge.events.event import gap_event
from edge.events.identity import JournalPosition, StoredEvent
from edge.journal.reader import JournalReader
from edge.uplink.command_feed import CommandRelay
from edge.uplink.connection import Connection
from edge.uplink.desired_feed import DesiredRelay
from edge.uplink.outgoing import OutgoingEvent
from edge.uplink.refill import Refill

log = logging.getLogger(__name__)

PRUNED = "removed from the full journal before the central system had committed it"
"""The reason in gap events for rows that the journal no longer has."""

# Events that one read takes from the journal, and most events that are sent without a pause.
_BATCH = 32

# So often a connection may end while an event is sent again alone. Then a gap event is sent.
_TRIES = 3

# Refused events whose reasons are kept.
_MAX_REFUSED = 1024

MakeOutgoing = Callable[[Connection, StoredEvent], OutgoingEvent]


class Resender:
    """Follows the statements of a central system, and sends what it is missing.

    New events go first: an event is sent again only where the window of the connection has space
    left, and at most ``rate_hz`` times a second. Memory: _BATCH events.

    All methods run on the thread of the publisher. ``turn`` reads the journal.
    """

    def __init__(
        self,
        reader: JournalReader,
        rate_hz: float,
        relay: CommandRelay | None = None,
        desired: DesiredRelay | None = None,
    ) -> None:
        """reader: a reader of its own, because this one moves to and fro. relay, desired: the
        commands and the desired state of the station; None: it takes none."""
        self._reader = reader
        self._relay = relay
        self._desired = desired
        self._rate_hz = rate_hz
        self._refill: Refill | None = None
        self._rows: deque[StoredEvent] = deque()
        self._allowed = 0.0
        self._turned_s = time.monotonic()
        self._refused: dict[int, str] = {}
        self._ends: dict[int, int] = {}
        self._resent = 0
        self._warned = ""

    @property
    def resent(self) -> int:
        """The number of events that were sent again since the start, without probes."""
        return self._resent

    @property
    def waiting(self) -> int:
        """The number of events that the broker confirmed and the central system did not."""
        return 0 if self._refill is None else self._refill.waiting

    def committed(self, journal: str) -> int | None:
        """Return the number up to which the central system has every event of this journal."""
        if self._refill is None or self._refill.journal != journal:
            return None
        return self._refill.committed

    def turn(
        self, connection: Connection, published: JournalPosition | None, make: MakeOutgoing
    ) -> None:
        """Read new statements, and send some events again.

        published: the position up to which the broker has confirmed all events. make: returns an
        event as the broker accepts it. Raises UplinkError if the connection has ended.
        """
        now_s = time.monotonic()
        if published is not None:
            self._follow(connection, published, now_s)
        self._allowed = min(_BATCH, self._allowed + self._rate_hz * (now_s - self._turned_s))
        self._turned_s = now_s
        self._turn_commands(connection, published, make)
        if self._desired is not None:
            self._desired.turn(connection.desired)
        if self._refill is None or published is None:
            return
        try:
            self._state(connection, self._refill, now_s)
            if self._refill.wants_probe(now_s) and connection.free_slots:
                self._probe(connection, self._refill, published, make)
            while connection.free_slots and self._allowed >= 1:
                stored = self._next(self._refill, now_s)
                if stored is None:
                    break
                self._send(connection, stored, make)
                self._allowed -= 1
                self._resent += 1
        except JournalError as error:
            self._warn("resend_cannot_read reason=%s", str(error))

    def _turn_commands(
        self, connection: Connection, published: JournalPosition | None, make: MakeOutgoing
    ) -> None:
        """Send what commands ask for, with the rate of events that are sent again."""
        if self._relay is None:
            return
        self._relay.turn(connection.commands, published)
        try:
            while published is not None and connection.free_slots and self._allowed >= 1:
                stored = self._relay.next_event(published)
                if stored is None:
                    break
                self._send(connection, stored, make)
                self._allowed -= 1
        except JournalError as error:
            self._warn("resend_cannot_read reason=%s", str(error))
        self._relay.confirm(connection.sent, connection.confirmed)

    def ended(self, alone: OutgoingEvent | None) -> None:
        """Record that a connection ended without a reason, while only this event was under way."""
        self._rows.clear()
        if alone is None or alone.in_order:
            return
        sequence = alone.stored.sequence
        self._ends[sequence] = self._ends.get(sequence, 0) + 1
        if self._ends[sequence] >= _TRIES:
            self.refused(alone, f"the connection ended {_TRIES} times when it was sent")
        while len(self._ends) > _MAX_REFUSED:
            self._ends.pop(next(iter(self._ends)))

    def refused(self, outgoing: OutgoingEvent, why: str) -> None:
        """Record that the broker refused an event that was sent again: a gap event follows."""
        self._refused[outgoing.stored.sequence] = why
        while len(self._refused) > _MAX_REFUSED:
            self._refused.pop(next(iter(self._refused)))

    def close(self) -> None:
        """Close the journal. A later ``turn`` opens it again."""
        self._reader.close()
        if self._relay is not None:
            self._relay.close()

    def _follow(self, connection: Connection, published: JournalPosition, now_s: float) -> None:
        """Begin anew for a new journal, and subscribe to the statements on it."""
        if self._refill is None or self._refill.journal != published.journal:
            self._refill = Refill(published.journal)
            self._rows.clear()
            self._refused.clear()
            self._ends.clear()
        self._refill.confirm(published.published, now_s)
        connection.statements.follow(published.journal)

    def _state(self, connection: Connection, refill: Refill, now_s: float) -> None:
        for message in connection.statements.take():
            try:
                statement = parse_statement(message.payload)
                if statement.station != connection.station:
                    raise OutfeedError(f"a statement on station '{statement.station}'")
            except OutfeedError as error:
                self._warn("statement_ignored reason=%s", str(error))
                continue
            if refill.committed is None and statement.journal == refill.journal:
                log.info("acknowledged_by_central name=%s", statement.central)
            refill.state(statement, now_s, self._segments, is_live=message.is_live)

    def _segments(self, first: int, last: int) -> list[CommittedRange]:
        return [
            CommittedRange(first=begin, last=end, run=run)
            for begin, end, run in self._reader.run_segments(first, last)
        ]

    def _probe(
        self,
        connection: Connection,
        refill: Refill,
        published: JournalPosition,
        make: MakeOutgoing,
    ) -> None:
        refill.probed(time.monotonic())
        before = JournalPosition(published.journal, published.published - 1)
        for stored in self._reader.read(before, 1):
            if stored.journal == published.journal:
                self._send(connection, stored, make)

    def _send(self, connection: Connection, stored: StoredEvent, make: MakeOutgoing) -> None:
        outgoing = make(connection, stored)
        why = self._refused.get(stored.sequence)
        if why is not None:
            outgoing = OutgoingEvent(stored, instead_of=why)
        connection.publish(replace(outgoing, in_order=False))

    def _next(self, refill: Refill, now_s: float) -> StoredEvent | None:
        """Return the next event to send again; None: there is none now."""
        wanted = refill.next_range()
        if wanted is None:
            self._rows.clear()
            return None
        while self._rows and self._rows[0].sequence < wanted.first:
            self._rows.popleft()
        if not self._rows:
            pruned = self._pruned(refill, wanted)
            if pruned is not None:
                refill.sent(pruned.sequence, now_s)
                return pruned
            before = JournalPosition(refill.journal, wanted.first - 1)
            self._rows.extend(
                row for row in self._reader.read(before, _BATCH) if row.journal == refill.journal
            )
        if not self._rows:
            return None
        stored = self._rows.popleft()
        refill.sent(min(stored.sequence, wanted.last), now_s)
        return stored

    def _pruned(self, refill: Refill, wanted: CommittedRange) -> StoredEvent | None:
        """Return a gap event for the wanted numbers that are below the oldest row."""
        oldest = self._reader.oldest()
        if oldest is None or oldest.journal != refill.journal:
            return None
        begin = oldest.first
        if wanted.first >= begin:
            return None
        last = min(wanted.last, begin - 1)
        gap = gap_event(
            oldest.station,
            count=last - wanted.first + 1,
            first=wanted.first,
            last=last,
            reason=PRUNED,
        )
        log.warning("events_pruned_before_committed first=%s last=%s", wanted.first, last)
        return replace(oldest, sequence=last, body=gap.model_dump_json())

    def _warn(self, event: str, reason: str) -> None:
        """Log a warning once, and the same one again at DEBUG."""
        log.log(logging.DEBUG if reason == self._warned else logging.WARNING, event, reason)
        self._warned = reason


def make_resender(config: StationConfig) -> Resender:
    """Return the resender of a station, with a reader of its own. It opens nothing yet."""
    reader = JournalReader(config.paths.journal)
    return Resender(
        reader, config.uplink.resend_rate_hz, CommandRelay(config), DesiredRelay(config)
    )
