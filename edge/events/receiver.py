"""What every receiver of events must do: drop repeats, keep the order, notice holes.

Events are published at least once. After a lost connection a station starts again behind the
last event that the broker confirmed, so a receiver sees some twice; they come in the order of
their sequence each time.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from edge.events.event import Event, OtherEvent
from edge.events.identity import Identity, parse_payload

# Holes that are remembered, in case they are filled after all. Older ones are forgotten, and
# what would fill them then counts as a repeat.
MAX_HOLES = 1024

# A station begins a new journal when its disk is damaged or replaced: not often.
MAX_JOURNALS = 1024


@dataclass(frozen=True, slots=True)
class Received:
    """An event seen for the first time.

    hole: the sequences between the event before and this one that have not come. A GapEvent
    explains those up to its own; otherwise they were lost on the way, or come late.
    late: this event fills an earlier hole and stands behind events that followed it.
    """

    identity: Identity
    event: Event | OtherEvent
    hole: range
    late: bool


@dataclass(slots=True)
class _Stream:
    last: int
    holes: list[range] = field(default_factory=list)


class Receiver:
    """Turns payloads into events that are new. One instance serves any number of stations.

    Bounded: a few numbers per journal, so it may run for years. It forgets at exit; who needs
    more stores ``last_sequences()`` together with the events, and hands it in again.
    For one thread at a time.
    """

    def __init__(self, last_sequences: dict[str, int] | None = None) -> None:
        """last_sequences: by journal uuid, what ``last_sequences()`` once returned."""
        self._streams: OrderedDict[str, _Stream] = OrderedDict(
            (journal, _Stream(last)) for journal, last in (last_sequences or {}).items()
        )
        self._repeats = 0

    @property
    def repeats(self) -> int:
        """How many messages were dropped as repeats."""
        return self._repeats

    def accept(self, payload: bytes) -> Received | None:
        """The event of a message, or None for one that came before.

        Raises OutfeedError with one line for a payload that is not an event of Outfeed.
        """
        identity, event = parse_payload(payload)
        sequence = identity.sequence
        stream = self._streams.get(identity.journal)
        if stream is None:
            # The first one seen begins the count: what was before, a new receiver cannot miss.
            self._streams[identity.journal] = _Stream(sequence)
            if len(self._streams) > MAX_JOURNALS:
                self._streams.popitem(last=False)
            return Received(identity, event, range(sequence, sequence), late=False)
        self._streams.move_to_end(identity.journal)
        if sequence > stream.last:
            hole = range(stream.last + 1, sequence)
            stream.last = sequence
            if hole:
                stream.holes = [*stream.holes, hole][-MAX_HOLES:]
            return Received(identity, event, hole, late=False)
        for index, hole in enumerate(stream.holes):
            if sequence in hole:
                rest = (range(hole.start, sequence), range(sequence + 1, hole.stop))
                stream.holes[index : index + 1] = [part for part in rest if part]
                return Received(identity, event, range(sequence, sequence), late=True)
        self._repeats += 1
        return None

    def last_sequences(self) -> dict[str, int]:
        """By journal uuid: the highest sequence seen."""
        return {journal: stream.last for journal, stream in self._streams.items()}

    def holes(self) -> dict[str, tuple[range, ...]]:
        """By journal uuid: sequences that have not come, or not yet."""
        return {journal: tuple(stream.holes) for journal, stream in self._streams.items()}
