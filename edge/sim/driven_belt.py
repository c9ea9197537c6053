"""A belt whose speed varies: parts lie at places on it, and what moves it is a Drive."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from edge.clock import Clock
from edge.devices.output import Pulse
from edge.devices.trigger import EndOfParts, TriggerEdge
from edge.errors import DeviceError
from edge.sim.motion import Drive, DrivenMotion

_HISTORY = 100_000  # what an endless belt remembers of its parts
_LOOK_NS = 20_000_000  # how far ahead the motion is worked out at a time


@dataclass(frozen=True, slots=True)
class BeltPlan:
    """A belt and its parts. The same plan gives the same belt in every process.

    gap_counts: between two parts, more or less by up to ``jitter`` of itself; part_counts: how long
    a part is. travel_counts: from the photo-eye to the ejector; to_ejector_counts: from the
    ejector's eye. taken, added: shares of parts that somebody takes off, or puts on, between the
    photo-eye and the ejector's eye. parts: None is a belt without end.
    """

    drive: Drive
    gap_counts: int
    part_counts: int
    travel_counts: int
    to_ejector_counts: int = 0
    parts: int | None = None
    jitter: float = 0.0
    taken: float = 0.0
    added: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class PlacedPart:
    """A part as the belt knows it. number: among those that pass the photo-eye, from 1; 0: added.

    place: the count at which its front is at the photo-eye. taken: it never comes to the ejector.
    """

    number: int
    place: int
    taken: bool


class DrivenBelt:
    """A Trigger: the photo-eye of a planned belt, or with ``ejector`` the eye before the ejector.

    An eye has an edge where a part's front comes to it, and on a belt that backs up where its rear
    does, so a part that backs away and returns is seen three times. Knows afterwards which part a
    pulse hit. No ramps, no slip, no bounce; a part that is hit is gone at once.
    """

    def __init__(self, plan: BeltPlan, *, clock: Clock, ejector: bool = False) -> None:
        self.plan = plan
        self._clock = clock
        self._offset = plan.travel_counts - plan.to_ejector_counts if ejector else 0
        self._ejector = ejector
        self._motion = DrivenMotion(plan.drive)
        self._random = random.Random(plan.seed)
        self._looked_ns = plan.drive.began_ns
        self._count = 0
        self._place = 0  # of the last part
        self._number = 0
        self._parts: deque[PlacedPart] = deque(maxlen=_HISTORY)
        self._fronts: deque[int] = deque()  # places of parts as this eye sees them, lowest first
        self._rears: set[int] = set()
        self._ahead: set[int] = set()
        self._edges: deque[int] = deque()
        self._sequence = 0
        self._closed = False

    @property
    def history(self) -> list[PlacedPart]:
        """Every part so far, by place (the last 100,000)."""
        return list(self._parts)

    def wait(self, timeout_s: float) -> TriggerEdge | None:
        if self._closed:
            raise DeviceError("belt: wait after close")
        until_ns = self._clock.now_ns() + round(timeout_s * 1e9)
        while not self._edges and self._looked_ns < until_ns:
            self._look(min(until_ns, self._looked_ns + _LOOK_NS))
        if not self._edges:
            if self._is_over():
                raise EndOfParts
            self._clock.sleep_until_ns(until_ns)
            return None
        if self._edges[0] > until_ns:
            self._clock.sleep_until_ns(until_ns)
            return None
        self._clock.sleep_until_ns(self._edges[0])
        self._sequence += 1
        return TriggerEdge(self._sequence, self._edges.popleft())

    def close(self) -> None:
        self._closed = True

    def hits(self, pulses: Iterable[Pulse]) -> list[list[int]]:
        """Per pulse, the numbers of the parts in front of the ejector at any time of it.

        An empty list is a pulse into the air; two numbers are two parts hit by one pulse.
        """
        there = [part for part in self._parts if not part.taken]
        struck = []
        for pulse in pulses:
            ends_ns = pulse.at_ns + pulse.width_us * 1000
            began = self._motion.count_at(pulse.at_ns)
            counts = [began, *(n for n, _ in self._motion.changes(pulse.at_ns, ends_ns - 1))]
            low, high = (bound - self.plan.travel_counts for bound in (min(counts), max(counts)))
            hit = [part for part in there if low - self.plan.part_counts < part.place <= high]
            there = [part for part in there if part not in hit]
            struck.append([part.number for part in hit])
        return struck

    def _look(self, until_ns: int) -> None:
        """Work out the edges up to a moment."""
        for count, at_ns in self._motion.changes(self._looked_ns, until_ns):
            while self._place + self._offset <= count and self._next_part():
                pass
            forward, self._count = count > self._count, count
            if count in self._ahead if forward else count + 1 in self._rears:
                self._edges.append(at_ns)
        self._looked_ns = until_ns

    def _next_part(self) -> bool:
        """Lay down one more part; False: there is none."""
        plan = self.plan
        if plan.parts is not None and self._number >= plan.parts:
            return False
        chance = self._random.random
        self._place += round(plan.gap_counts * (1 + plan.jitter * (2 * chance() - 1)))
        taken, added = chance() < plan.taken, chance() < plan.added
        self._number += 1
        self._lay(PlacedPart(self._number, self._place, taken), seen=not (self._ejector and taken))
        if added:
            self._lay(PlacedPart(0, self._place + plan.gap_counts // 2, False), seen=self._ejector)
        return True

    def _lay(self, part: PlacedPart, *, seen: bool) -> None:
        self._parts.append(part)
        if not seen:
            return
        front = part.place + self._offset
        self._fronts.append(front)
        self._ahead.add(front)
        self._rears.add(front + self.plan.part_counts)
        if len(self._fronts) > 1_000:
            oldest = self._fronts.popleft()
            self._ahead.discard(oldest)
            self._rears.discard(oldest + self.plan.part_counts)

    def _is_over(self) -> bool:
        """Every part has passed the ejector, or would have."""
        plan = self.plan
        if plan.parts is None or self._number < plan.parts:
            return False
        return self._count > self._place + (plan.travel_counts if self._ejector else 0)
