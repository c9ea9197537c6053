"""The belt between photo-eye and ejector, as the rejector sees it: who is due, by time or counts.

How a count becomes a moment: a part's place is the belt's count at the photo-eye's edge plus the
travel, and its moment is the stamp of the first edge of the encoder at or beyond that place. From
there on everything is as with parts tracked by time. Nothing is predicted between two counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from edge.devices.encoder import EncoderPosition
from edge.line.odometer import Odometer, Spot
from edge.line.outcome import Cause, OutputStep
from edge.line.queue import RejectQueue
from edge.line.seen_counts import SeenCounts


@dataclass(frozen=True, slots=True)
class CountRules:
    """What is known of a belt with an encoder. All counts.

    travel: from the photo-eye to the ejector. debounce: an edge of a photo-eye this near to one
    known is the same part's. backlash: a count that falls by less is no reversal. silent_edges: so
    many edges of the photo-eye without a count between them are an encoder that is dead; 0: never.
    """

    travel: int
    debounce: int = 1
    backlash: int = 2
    silent_edges: int = 5


@dataclass(frozen=True, slots=True)
class EyeRules:
    """A second photo-eye shortly before the ejector, in counts, or by time in nanoseconds.

    to_ejector: from this eye to the ejector. tolerance: how far from its place a part may be to be
    taken for the one announced; at most to_ejector, and less than half of the spacing of parts.
    debounce: by time, an edge this soon after another is a bounce.
    """

    to_ejector: int
    tolerance: int
    debounce: int = 0


class BeltTracker:
    """Places parts on the belt and asks the queue for their fate. One thread; never blocks.

    Without ``counts`` parts come with their due time (``announce``) and ``moved`` is never called.
    With it they come with the moment at which the photo-eye saw them (``sighted``), and whoever
    calls has given every position up to now to ``moved`` before.

    Whoever loses the place of what is on the belt (lost edges, a silent encoder, a start on a belt
    that is not empty) treats everything up to the photo-eye as unknown: where unknown parts are
    ejected, the output is active until the belt has run the whole travel, no part seen later is
    among them, and each is reported as LOST.
    """

    def __init__(
        self,
        queue: RejectQueue,
        *,
        counts: CountRules | None = None,
        eye: EyeRules | None = None,
        began_ns: int = 0,
    ) -> None:
        """began_ns: by time, since when the ejector's eye is looked at."""
        self.queue = queue
        self._counts = counts or CountRules(0)
        self._by_counts = counts is not None
        self._eye = eye
        self._began_ns = began_ns
        self._odometer = Odometer(backlash=self._counts.backlash)
        self._parts = SeenCounts(nearer_than=self._counts.debounce)
        self._arrivals = SeenCounts(nearer_than=self._counts.debounce)
        self._arrival_ns: int | None = None
        self._silent = 0  # edges of the photo-eye in a row without a count between them
        self._change = 0  # the encoder's position at the last of them
        self._failed = False

    def __len__(self) -> int:
        return len(self.queue)

    @property
    def count(self) -> int:
        """Where the belt is."""
        return self._odometer.count

    @property
    def counts_left(self) -> int | None:
        """How far the belt has to run until something happens; None: nothing waits for it."""
        place = self.queue.next_place if self._by_counts else None
        return None if place is None else place - self._odometer.count

    def moved(self, positions: Sequence[EncoderPosition], arrivals: Sequence[int] = ()) -> None:
        """The belt moved: positions in the order in which the encoder gave them.

        arrivals: when the ejector's eye had edges meanwhile, oldest first. They are taken in
        between the positions, so that a part that came by while nobody looked was seen before it
        was due.
        """
        odometer, queue = self._odometer, self.queue
        waiting = deque(arrivals)
        for position in positions:
            while waiting and waiting[0] < position.at_ns:
                self.arrived(waiting.popleft())
            lost = position.gap and odometer.changes > 0
            odometer.moved(position)
            if lost:
                self.lose(position.at_ns)
            place = queue.next_place
            if place is not None and place <= position.count:
                queue.reach(position.count, position.at_ns)
        while waiting:
            self.arrived(waiting.popleft())

    def lose(self, now_ns: int) -> None:
        """Nobody knows what is where: everything between the photo-eye and the ejector is unknown.

        Parts that are told later, but were seen by the photo-eye before, are among it.
        """
        here = self._odometer.count
        self.queue.counters.position_losses += 1
        self.queue.forget(now_ns)
        self._parts.clear()
        self._arrivals.clear()
        self.queue.lose(here, here + self._counts.travel)
        self.queue.reach(here, now_ns)

    def fail(self, now_ns: int) -> None:
        """The encoder is broken: as ``lose``, and no part has a place any more."""
        self._failed = True
        self.lose(now_ns)

    def announce(self, part_id: int, due_ns: int, eject: bool | None = None) -> None:
        """By time: a part will be at the ejector at due_ns."""
        self.queue.announce(part_id, due_ns, eject)
        self._excuse(part_id, due_ns, self._began_ns)

    def sighted(
        self, part_id: int, seen_ns: int, now_ns: int, eject: bool | None = None
    ) -> int | None:
        """By counts: the photo-eye had an edge at seen_ns. The place of the part, if it began one.

        It begins none while the belt backs up, or near to the place of a part that is known. A part
        whose place nobody knows is reported as LOST.
        """
        if self._failed:
            self.queue.drop(part_id, now_ns, eject)
            return None
        spot = self._odometer.at(seen_ns)
        if spot is None:
            self._unplaced(part_id, now_ns, eject)
            return None
        if self._is_silent(spot):
            self.lose(now_ns)
            self.queue.drop(part_id, now_ns, eject)
            return None
        counters = self.queue.counters
        if not spot.forward:
            counters.backward += 1
            self.queue.note_no_part(part_id, seen_ns, Cause.BACKWARD)
            return None
        if self._parts.is_known(spot.count):
            counters.seen_again += 1
            self.queue.note_no_part(part_id, seen_ns, Cause.SEEN_AGAIN)
            return None
        self._parts.add(spot.count)
        place = spot.count + self._counts.travel
        self.queue.announce(
            part_id, place, eject, reached_ns=self._odometer.reached_ns(place, seen_ns)
        )
        return place

    def restore(self, part_id: int, place: int, now_ns: int, eject: bool | None = None) -> None:
        """By counts, in a new process: a part that an earlier one had placed, on the same counts.

        One whose place the belt had reached before this process began is reported as DOWN.
        """
        self._parts.add(place - self._counts.travel)
        if place <= self._odometer.oldest_count:
            self.queue.drop(part_id, now_ns, eject, cause=Cause.REJECTOR_DOWN)
            return
        reached_ns = None
        if place <= self._odometer.count:
            reached_ns = self._odometer.reached_ns(place, 0)
        self.queue.announce(part_id, place, eject, reached_ns=reached_ns)
        self._excuse(part_id, place, self._odometer.oldest_count)

    def known(self, part_id: int, place: int) -> None:
        """By counts, in a new process: a part that an earlier one has dealt with."""
        self._parts.add(place - self._counts.travel)
        self.queue.gone(part_id)

    def resolve(self, part_id: int, eject: bool) -> None:
        """The verdict on a part."""
        self.queue.resolve(part_id, eject)

    def arrived(self, seen_ns: int) -> None:
        """The ejector's eye had an edge at seen_ns."""
        assert self._eye is not None
        counters = self.queue.counters
        if not self._by_counts:
            last_ns, self._arrival_ns = self._arrival_ns, seen_ns
            if last_ns is not None and seen_ns - last_ns < max(1, self._eye.debounce):
                self._arrival_ns = last_ns  # a bounce does not prolong the debounce
                counters.seen_again += 1
                return
            self.queue.confirm(seen_ns + self._eye.to_ejector, self._eye.tolerance)
            return
        spot = self._odometer.at(seen_ns)
        if spot is None:
            return  # at a loss of everything: what is there is ejected unseen
        if not spot.forward:
            counters.backward += 1
        elif self._arrivals.is_known(spot.count):
            counters.seen_again += 1
        else:
            self._arrivals.add(spot.count)
            self.queue.confirm(spot.count + self._eye.to_ejector, self._eye.tolerance)

    def due(self, now_ns: int) -> OutputStep:
        """Who went by, and the level of the output from now on."""
        return self.queue.due(now_ns)

    def next_ns(self) -> int | None:
        """When ``due`` has something to do next; None while no moment is known."""
        return self.queue.next_ns()

    def _is_silent(self, spot: Spot) -> bool:
        self._silent = self._silent + 1 if spot.change == self._change else 1
        self._change = spot.change
        return 0 < self._counts.silent_edges <= self._silent

    def _excuse(self, part_id: int, place: int, since: int) -> None:
        """A part may have come to the ejector's eye before this process looked."""
        eye = self._eye
        if eye is not None and place - eye.to_ejector - eye.tolerance <= since:
            self.queue.excuse(part_id)

    def _unplaced(self, part_id: int, now_ns: int, eject: bool | None) -> None:
        """A part seen before this process remembers: it lies behind the last one that is known,
        and not behind the photo-eye at the oldest moment that is remembered."""
        end = self._odometer.oldest_count + self._counts.travel
        if end <= self._odometer.count:
            self.queue.drop(part_id, now_ns, eject, cause=Cause.REJECTOR_DOWN)
            return
        self.queue.drop(part_id, now_ns, eject)
        last = self.queue.last_place
        begin = self._odometer.count if last is None else last + self._counts.debounce
        self.queue.lose(min(begin, end), end)
        self.queue.reach(self._odometer.count, now_ns)
