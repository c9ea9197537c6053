"""The receiver of events: it drops repeats, notices holes, and tells copies of a station apart.

Events are published at least once. After a lost connection a station starts again behind the
last event that the broker confirmed, so a receiver sees some twice; they come in the order of
their sequence each time. Two stations that write the same journal, because its card was copied or
restored from a backup, differ in the run of their events.
"""

from __future__ import annotations

import logging
import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from edge.errors import OutfeedError
from edge.events.event import Event, GapEvent, OtherEvent
from edge.events.identity import EventIdentity, parse_payload
from edge.receiver.stream import Arrival, Conflict, JournalCoverage, JournalStream, Repeat

log = logging.getLogger(__name__)

# Per station: a new journal begins when a disk is damaged, emptied or replaced.
_MAX_JOURNALS = 16

# Stations have certificates, so their number is the plant's.
_MAX_STATIONS = 4096

_TOLD = frozenset(10**power for power in range(10))  # counts at which the log has a line


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """An event seen for the first time.

    hole: the sequences between the event before and this one that have not come. A GapEvent
    explains those up to its own; otherwise they were lost on the way, or come late.
    late: this event fills an earlier hole and stands behind events that followed it.
    conflict: None unless an event that came before contradicts this one.
    """

    identity: EventIdentity
    event: Event | OtherEvent
    hole: range
    late: bool
    conflict: Conflict | None = None


@dataclass(slots=True)
class _Station:
    streams: OrderedDict[str, JournalStream] = field(default_factory=OrderedDict)
    conflicts: Counter[Conflict] = field(default_factory=Counter)


class Receiver:
    """Turns payloads into events that are new. One instance serves any number of stations.

    Bounded, and by station: some numbers per journal and run, so it may run for years, and nothing
    that one station sends makes it forget another. It forgets at exit; who needs more stores
    ``accounts()`` together with the events, and hands them in again. For one thread at a time.
    """

    def __init__(self, accounts: Iterable[JournalCoverage] = ()) -> None:
        """accounts: what ``accounts()`` once returned."""
        self._stations: OrderedDict[str, _Station] = OrderedDict()
        self._repeats = self._unproven = 0
        for account in accounts:
            self._station(account.station).streams[account.journal] = JournalStream(account)

    @property
    def repeats(self) -> int:
        """How many messages were dropped as repeats."""
        return self._repeats

    @property
    def unproven(self) -> int:
        """The number of repeats that were too old for their content to be compared."""
        return self._unproven

    def conflicts(self) -> dict[str, dict[Conflict, int]]:
        """By station: how many of its events contradicted others. All were handed over."""
        return {name: dict(one.conflicts) for name, one in self._stations.items() if one.conflicts}

    def accept(self, station: str, payload: bytes) -> ReceivedEvent | None:
        """The event of a message, or None for one that came before.

        station: as the topic names it, which the broker guards. Raises OutfeedError with one line
        for a payload that is not an event of Outfeed, or not one of this station.
        """
        identity, event = parse_payload(payload)
        if event.station != station or not identity.event_id.startswith(f"{station}:"):
            raise OutfeedError(f"not an event of station '{station}', but of '{event.station}'")
        replaced = None
        if isinstance(event, GapEvent) and event.last == identity.sequence:
            first = event.last if event.first is None else event.first
            replaced = range(first, event.last + 1)
        one = self._station(station)
        stream = one.streams.setdefault(identity.journal, JournalStream())
        one.streams.move_to_end(identity.journal)
        if len(one.streams) > _MAX_JOURNALS:
            one.streams.popitem(last=False)
        found = stream.take(Arrival(identity.run, identity.sequence, zlib.crc32(payload), replaced))
        if isinstance(found, Repeat):
            self._repeats += 1
            self._unproven += found is Repeat.UNPROVEN
            return None
        if found.conflict is not None:
            one.conflicts[found.conflict] += 1
            if (count := one.conflicts[found.conflict]) in _TOLD:
                log.error(
                    "station_contradicts_itself station=%s kind=%s events=%s last=%s",
                    station,
                    found.conflict.value,
                    count,
                    identity.event_id,
                )
        return ReceivedEvent(identity, event, found.hole, found.is_late, found.conflict)

    def accounts(self) -> tuple[JournalCoverage, ...]:
        """By station and journal: through which sequence everything has come, and the holes."""
        return tuple(
            stream.account(name, journal)
            for name, one in self._stations.items()
            for journal, stream in one.streams.items()
        )

    def _station(self, name: str) -> _Station:
        found = self._stations.setdefault(name, _Station())
        self._stations.move_to_end(name)
        if len(self._stations) > _MAX_STATIONS:
            self._stations.popitem(last=False)
        return found
