"""The physics of a simulated line: parts on a belt, two photo-eyes and an ejector."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field

from bench.soak.plan import SoakPlan


@dataclass(slots=True, eq=False)
class SoakPart:
    """A real part on the belt.

    x: count at which its front is at the photo-eye. ids: its numbers at the station.
    met: the referee has a record of it. unheard: it passed the photo-eye without a station, or
    while encoder edges were lost. hit: an ejector pulse hit it. held: the pulse should have ended
    before.
    """

    x: int
    announced_x: int
    ids: list[int] = field(default_factory=list)
    met: bool = False
    unheard: bool = False
    slid: bool = False
    taken: bool = False
    hit: bool = False
    held: bool = False
    excuse: str = ""  # reason for which a hit of an unannounced part is allowed


class SoakBelt:
    """The positions of all parts, in counts. The caller moves the belt."""

    def __init__(self, plan: SoakPlan, chance: random.Random) -> None:
        self.plan = plan
        self.count = 0
        self.born = 0
        self.there: list[tuple[int, int, SoakPart]] = []  # x, number, part; without removed parts
        self._chance = chance
        self._next_x = 20
        self._number = 0
        self._fronts: dict[int, SoakPart] = {}
        self._rears: dict[int, SoakPart] = {}

    def put(self, thing: SoakPart) -> None:
        """Put a part on the belt."""
        self._number += 1
        insort(self.there, (thing.x, self._number, thing))
        self._fronts[thing.x] = thing
        self._rears[thing.x + self.plan.part] = thing

    def remove(self, thing: SoakPart) -> None:
        """Remove a part that was taken off, hit, or has left the belt."""
        index = bisect_left(self.there, (thing.x,))
        while self.there[index][2] is not thing:
            index += 1
        del self.there[index]
        if self._fronts.get(thing.x) is thing:
            del self._fronts[thing.x]
        if self._rears.get(thing.x + self.plan.part) is thing:
            del self._rears[thing.x + self.plan.part]

    def slip(self, thing: SoakPart, counts: int) -> None:
        """Move a part on the belt, as if it slid."""
        self.remove(thing)
        thing.x += counts
        thing.slid = True
        self.put(thing)

    def step(self, count: int) -> tuple[SoakPart | None, SoakPart | None]:
        """Move the belt to this count.

        Return the parts that begin to cover the photo-eye and the ejector's eye.
        """
        forward, self.count = count > self.count, count
        plan = self.plan
        if count >= self._next_x - plan.gap_high:
            self.put(SoakPart(self._next_x, self._next_x))
            self.born += 1
            self._next_x += self._chance.randint(plan.gap_low, plan.gap_high)
        edges, at = (self._fronts, count) if forward else (self._rears, count + 1)
        if not plan.eye:
            return edges.get(at), None
        return edges.get(at), edges.get(at - plan.travel + plan.to_ejector)

    def strike(self, low: int, high: int) -> list[SoakPart]:
        """Eject the parts that an active output hits at these counts, and return them."""
        travel, there = self.plan.travel, self.there
        first = bisect_right(there, (low - travel - self.plan.part, 1 << 60))
        last = bisect_right(there, (high - travel, 1 << 60))
        struck = [thing for _, _, thing in there[first:last]]
        for thing in struck:
            thing.hit = True
            self.remove(thing)
        return struck

    def between(self, low: int, high: int) -> list[SoakPart]:
        """Return the parts whose front is between these distances beyond the photo-eye."""
        first = bisect_left(self.there, (self.count - high,))
        last = bisect_right(self.there, (self.count - low, 1 << 60))
        return [thing for _, _, thing in self.there[first:last]]

    def gone(self, beyond: int) -> list[SoakPart]:
        """Remove the parts this far beyond the ejector, and return them."""
        limit = self.count - self.plan.travel - self.plan.part - beyond
        last = bisect_right(self.there, (limit, 1 << 60))
        leaving = [thing for _, _, thing in self.there[:last]]
        for thing in leaving:
            self.remove(thing)
        return leaving
