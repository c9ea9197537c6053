"""The receiver of events: it drops repeats, and reports gaps and copies of a station.

Events are published at least once. After a lost connection a station continues behind the last
event that the broker confirmed. A receiver therefore gets some events twice, each time in the order
of their sequence numbers. Two stations write the same journal where a storage card was copied or
restored from a backup. Their events differ in the run.
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

# Per station. A new journal begins where a disk was damaged, cleared or replaced.
_MAX_JOURNALS = 16

# A station needs a certificate, so their number is limited by the plant.
_MAX_STATIONS = 4096

# The 1st, 10th, 100th … conflict of one kind of a station is logged.
_LOGGED_COUNTS = frozenset(10**power for power in range(10))


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """An event that was received for the first time.

    missing: sequence numbers between the highest one before and this one that have not arrived. If
    this event is a GapEvent, it explains them. Otherwise they were lost on the way, or are late.
    is_late: True if the number of this event was missing so far. Events with higher numbers were
    handed over before it.
    conflict: the contradiction with an event that arrived before, or None.
    """

    identity: EventIdentity
    event: Event | OtherEvent
    missing: range
    is_late: bool
    conflict: Conflict | None = None


@dataclass(slots=True)
class _Station:
    streams: OrderedDict[str, JournalStream] = field(default_factory=OrderedDict)
    conflicts: Counter[Conflict] = field(default_factory=Counter)


class Receiver:
    """Returns each event once. One instance serves any number of stations.

    Memory is limited for each station: a few numbers for each journal and run. It can run for
    years, and the messages of one station never remove the memory of another. The memory is lost at
    exit. To keep it, store ``coverage()`` together with the events, and pass it to the next
    instance. For one thread at a time.
    """

    def __init__(self, coverage: Iterable[JournalCoverage] = ()) -> None:
        """coverage: the result of ``coverage()`` of an earlier instance."""
        self._stations: OrderedDict[str, _Station] = OrderedDict()
        self._repeats = self._unproven = 0
        for each in coverage:
            self._station(each.station).streams[each.journal] = JournalStream(each)

    @property
    def repeats(self) -> int:
        """The number of messages that were dropped as repeats."""
        return self._repeats

    @property
    def unproven(self) -> int:
        """The number of repeats that were too old for their content to be compared."""
        return self._unproven

    def conflicts(self) -> dict[str, dict[Conflict, int]]:
        """Return, by station, the number of events that contradicted others. They were returned by
        ``accept`` too."""
        return {name: dict(one.conflicts) for name, one in self._stations.items() if one.conflicts}

    def accept(self, station: str, payload: bytes) -> ReceivedEvent | None:
        """Return the event of a message, or None for a repeat.

        Args:
            station: The station in the topic of the message. The access list of the broker
                protects the topic.
            payload: The payload of the message.

        Raises:
            OutfeedError: The payload is not an event of Outfeed, or not one of this station.
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
        result = stream.add(Arrival(identity.run, identity.sequence, zlib.crc32(payload), replaced))
        if isinstance(result, Repeat):
            self._repeats += 1
            self._unproven += result is Repeat.UNPROVEN
            return None
        if result.conflict is not None:
            one.conflicts[result.conflict] += 1
            if (count := one.conflicts[result.conflict]) in _LOGGED_COUNTS:
                log.error(
                    "station_contradicts_itself station=%s kind=%s events=%s last=%s",
                    station,
                    result.conflict.value,
                    count,
                    identity.event_id,
                )
        return ReceivedEvent(identity, event, result.missing, result.is_late, result.conflict)

    def coverage(self) -> tuple[JournalCoverage, ...]:
        """Return, for each station and journal, the sequence numbers that have arrived."""
        return tuple(
            stream.coverage(name, journal)
            for name, one in self._stations.items()
            for journal, stream in one.streams.items()
        )

    def _station(self, name: str) -> _Station:
        station = self._stations.setdefault(name, _Station())
        self._stations.move_to_end(name)
        if len(self._stations) > _MAX_STATIONS:
            self._stations.popitem(last=False)
        return station
