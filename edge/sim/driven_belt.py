"""A simulated belt with a variable speed, tracked by encoder counts."""

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

_HISTORY = 100_000  # the parts that an endless belt stores
_STEP_NS = 20_000_000  # the motion is computed ahead in steps of this length


@dataclass(frozen=True, slots=True)
class BeltPlan:
    """A belt and its parts. The same plan gives the same belt in every process."""

    drive: Drive
    gap_counts: int
    """The distance between two parts."""

    part_counts: int
    """The length of a part."""

    travel_counts: int
    """The distance from the photo-eye to the ejector."""

    to_ejector_counts: int = 0
    """The distance from the ejector eye to the ejector."""

    parts: int | None = None
    """The number of parts; None: without end."""

    jitter: float = 0.0
    """Each gap is longer or shorter by up to this share of it."""

    taken: float = 0.0
    """The share of parts that are removed between the photo-eye and the ejector eye."""

    added: float = 0.0
    """The share of parts after which a further part is put on there."""

    seed: int = 0


@dataclass(frozen=True, slots=True)
class PlacedPart:
    """A part on the belt."""

    number: int
    """Among the parts that pass the photo-eye, from 1; 0: added behind it."""

    place: int
    """The count at which its front is at the photo-eye."""

    taken: bool
    """It is removed and never reaches the ejector."""


class DrivenBelt:
    """A Trigger: the photo-eye of a planned belt, or with ``ejector`` its ejector eye.

    An eye has an edge when the front of a part reaches it, and on a belt that runs backward when
    the rear does. A part that runs back and returns is therefore seen three times. ``hits`` returns
    afterwards which parts a pulse hit.

    Not simulated: ramps of the speed, slip and bounce. A hit part disappears at once.
    """

    def __init__(self, plan: BeltPlan, *, clock: Clock, ejector: bool = False) -> None:
        self.plan = plan
        self._clock = clock
        self._offset = plan.travel_counts - plan.to_ejector_counts if ejector else 0
        self._ejector = ejector
        self._motion = DrivenMotion(plan.drive)
        self._random = random.Random(plan.seed)
        self._computed_ns = plan.drive.began_ns
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
        """Return all parts so far in the order of places, at most the last 100,000."""
        return list(self._parts)

    def wait(self, timeout_s: float) -> TriggerEdge | None:
        if self._closed:
            raise DeviceError("belt: wait after close")
        until_ns = self._clock.now_ns() + round(timeout_s * 1e9)
        while not self._edges and self._computed_ns < until_ns:
            self._compute_edges(min(until_ns, self._computed_ns + _STEP_NS))
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
        """Return for each pulse the numbers of the parts in front of the ejector during it.

        An empty list is a pulse without a part. Two numbers are two parts hit by one pulse.
        """
        remaining = [part for part in self._parts if not part.taken]
        hits = []
        for pulse in pulses:
            ends_ns = pulse.at_ns + pulse.width_us * 1000
            began = self._motion.count_at(pulse.at_ns)
            counts = [began, *(n for n, _ in self._motion.changes(pulse.at_ns, ends_ns - 1))]
            low, high = (bound - self.plan.travel_counts for bound in (min(counts), max(counts)))
            hit = [part for part in remaining if low - self.plan.part_counts < part.place <= high]
            remaining = [part for part in remaining if part not in hit]
            hits.append([part.number for part in hit])
        return hits

    def _compute_edges(self, until_ns: int) -> None:
        """Compute the edges up to a moment."""
        for count, at_ns in self._motion.changes(self._computed_ns, until_ns):
            while self._place + self._offset <= count and self._next_part():
                pass
            forward, self._count = count > self._count, count
            if count in self._ahead if forward else count + 1 in self._rears:
                self._edges.append(at_ns)
        self._computed_ns = until_ns

    def _next_part(self) -> bool:
        """Add one more part. Return False if there is none left."""
        plan = self.plan
        if plan.parts is not None and self._number >= plan.parts:
            return False
        chance = self._random.random
        self._place += round(plan.gap_counts * (1 + plan.jitter * (2 * chance() - 1)))
        taken, added = chance() < plan.taken, chance() < plan.added
        self._number += 1
        self._add(
            PlacedPart(self._number, self._place, taken), is_visible=not (self._ejector and taken)
        )
        if added:
            self._add(
                PlacedPart(0, self._place + plan.gap_counts // 2, False), is_visible=self._ejector
            )
        return True

    def _add(self, part: PlacedPart, *, is_visible: bool) -> None:
        self._parts.append(part)
        if not is_visible:
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
        """Return whether every part has passed this eye, or the ejector for the ejector eye."""
        plan = self.plan
        if plan.parts is None or self._number < plan.parts:
            return False
        return self._count > self._place + (plan.travel_counts if self._ejector else 0)
