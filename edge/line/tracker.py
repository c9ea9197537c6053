"""The tracking of parts between photo-eye and ejector, by time or by encoder counts.

With counts, the place of a part is the belt's count at the photo-eye's edge plus the travel. Its
moment is the time stamp of the first encoder edge at or beyond that place. The rest is the same as
for parts tracked by time. Nothing is predicted between two counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from edge.devices.encoder import EncoderPosition
from edge.line.odometer import BeltPosition, Odometer, SeenCounts
from edge.line.outcome import Cause, OutputStep
from edge.line.queue import RejectQueue


@dataclass(frozen=True, slots=True)
class CountRules:
    """The geometry of a belt with an encoder, in counts."""

    travel: int
    """The distance from the photo-eye to the ejector."""

    debounce: int = 1
    """An edge of a photo-eye nearer than this to a known part belongs to that part."""

    backlash: int = 2
    """A fall of the count by less than this is no reversal."""

    silent_edges: int = 5
    """After this many edges of the photo-eye without a count between them, the encoder counts as
    failed. 0: never."""


@dataclass(frozen=True, slots=True)
class EyeRules:
    """The ejector eye, in counts, or by time in nanoseconds."""

    to_ejector: int
    """The distance from this eye to the ejector."""

    tolerance: int
    """The largest distance of a part from its place at which it counts as the announced part. At
    most to_ejector, and less than half of the spacing of parts."""

    debounce: int = 0
    """By time, an edge this soon after another one is a bounce."""


class BeltTracker:
    """Gives each part its place on the belt and passes it to the queue. One thread; never blocks.

    Without ``counts``, parts are announced with their due time (``announce``), and ``moved`` is
    never called. With ``counts``, parts are announced with the time of the photo-eye's edge
    (``sighted``). The caller has first given every position up to now to ``moved``.

    The positions of all parts are lost after lost encoder edges, with a silent encoder, and at a
    start on a belt that is not empty. Every part up to the photo-eye is then unknown. If unknown
    parts are ejected, the output is active until the belt has run the whole travel. Parts that the
    photo-eye sees later are not among them. Each lost part is reported with the cause
    POSITION_LOST.
    """

    def __init__(
        self,
        queue: RejectQueue,
        *,
        counts: CountRules | None = None,
        eye: EyeRules | None = None,
        began_ns: int = 0,
    ) -> None:
        """began_ns: by time, the moment from which the ejector eye is read."""
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
        self._change = 0  # the number of the encoder's position at the last of them
        self._failed = False

    def __len__(self) -> int:
        return len(self.queue)

    @property
    def count(self) -> int:
        """Return the belt's count now."""
        return self._odometer.count

    @property
    def counts_left(self) -> int | None:
        """Return the counts to the next place at which the queue acts; None: no such place."""
        place = self.queue.next_place if self._by_counts else None
        return None if place is None else place - self._odometer.count

    def moved(self, positions: Sequence[EncoderPosition], arrivals: Sequence[int] = ()) -> None:
        """Follow the belt. positions: in the order in which the encoder gave them.

        arrivals: the times of the ejector eye's edges meanwhile, oldest first. They are processed
        between the positions. So a part that passed the eye between two calls was seen before it
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
        """All positions are lost: every part between photo-eye and ejector is unknown.

        This includes parts that the photo-eye saw before and that are announced later.
        """
        here = self._odometer.count
        self.queue.counters.position_losses += 1
        self.queue.forget(now_ns)
        self._parts.clear()
        self._arrivals.clear()
        self.queue.lose(here, here + self._counts.travel)
        self.queue.reach(here, now_ns)

    def fail(self, now_ns: int) -> None:
        """The encoder has failed: do as ``lose``, and give no later part a place."""
        self._failed = True
        self.lose(now_ns)

    def announce(self, part_id: int, due_ns: int, eject: bool | None = None) -> None:
        """By time: add a part that will be at the ejector at due_ns."""
        self.queue.announce(part_id, due_ns, eject)
        self._excuse(part_id, due_ns, self._began_ns)

    def sighted(
        self, part_id: int, seen_ns: int, now_ns: int, eject: bool | None = None
    ) -> int | None:
        """By counts: add the part that the photo-eye saw at seen_ns. Return its place.

        Return None if the edge began no part or its place is not known. An edge begins no part
        while the belt runs backward, or near to a known part. A part without a place is reported
        with POSITION_LOST.
        """
        if self._failed:
            self.queue.drop(part_id, now_ns, eject)
            return None
        position = self._odometer.at(seen_ns)
        if position is None:
            self._unplaced(part_id, now_ns, eject)
            return None
        if self._is_silent(position):
            self.lose(now_ns)
            self.queue.drop(part_id, now_ns, eject)
            return None
        counters = self.queue.counters
        if not position.forward:
            counters.backward += 1
            self.queue.note_no_part(part_id, seen_ns, Cause.BACKWARD)
            return None
        if self._parts.is_known(position.count):
            counters.seen_again += 1
            self.queue.note_no_part(part_id, seen_ns, Cause.SEEN_AGAIN)
            return None
        self._parts.add(position.count)
        place = position.count + self._counts.travel
        self.queue.announce(
            part_id, place, eject, reached_ns=self._odometer.reached_ns(place, seen_ns)
        )
        return place

    def restore(self, part_id: int, place: int, now_ns: int, eject: bool | None = None) -> None:
        """By counts, in a new process: add a part with the place that an earlier process gave it.

        If the belt had reached the place before this process began, report the part with
        REJECTOR_DOWN.
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
        """By counts, in a new process: note a part whose outcome an earlier process reported."""
        self._parts.add(place - self._counts.travel)
        self.queue.mark_done(part_id)

    def resolve(self, part_id: int, eject: bool) -> None:
        """Set the verdict on a part."""
        self.queue.resolve(part_id, eject)

    def arrived(self, seen_ns: int) -> None:
        """Process an edge of the ejector eye at seen_ns."""
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
        position = self._odometer.at(seen_ns)
        if position is None:
            return  # positions are lost: all parts there are ejected or passed anyway
        if not position.forward:
            counters.backward += 1
        elif self._arrivals.is_known(position.count):
            counters.seen_again += 1
        else:
            self._arrivals.add(position.count)
            self.queue.confirm(position.count + self._eye.to_ejector, self._eye.tolerance)

    def due(self, now_ns: int) -> OutputStep:
        """Return the outcomes since the last call and the level of the output from now on."""
        return self.queue.due(now_ns)

    def next_ns(self) -> int | None:
        """Return the next time at which ``due`` has work; None: no moment is known."""
        return self.queue.next_ns()

    def _is_silent(self, position: BeltPosition) -> bool:
        self._silent = self._silent + 1 if position.change == self._change else 1
        self._change = position.change
        return 0 < self._counts.silent_edges <= self._silent

    def _excuse(self, part_id: int, place: int, since: int) -> None:
        """Excuse a part that may have met the ejector eye before this process read the eye."""
        eye = self._eye
        if eye is not None and place - eye.to_ejector - eye.tolerance <= since:
            self.queue.excuse(part_id)

    def _unplaced(self, part_id: int, now_ns: int, eject: bool | None) -> None:
        """Report a part that was seen before the oldest stored position.

        It lies behind the last known part, and not behind the photo-eye at the oldest stored
        position.
        """
        end = self._odometer.oldest_count + self._counts.travel
        if end <= self._odometer.count:
            self.queue.drop(part_id, now_ns, eject, cause=Cause.REJECTOR_DOWN)
            return
        self.queue.drop(part_id, now_ns, eject)
        last = self.queue.last_place
        begin = self._odometer.count if last is None else last + self._counts.debounce
        self.queue.lose(min(begin, end), end)
        self.queue.reach(self._odometer.count, now_ns)
