"""The physics of a soaked line: parts on a belt, two photo-eyes, an ejector that hits."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field

from bench.soak.plan import SoakPlan


@dataclass(slots=True, eq=False)
class Thing:
    """A real part. x: the count at which its front is at the photo-eye.

    ids: under which the station knows it. met: it has an account. unheard: it came to the
    photo-eye while the station was dead, or while edges of the encoder were lost.
    hit: the ejector's pulse touched it; held: when it should have been over.
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
    excuse: str = ""  # why a hit may be right though nobody announced the part


class Belt:
    """Where every part is. Counts only: the caller says when the belt moves to which."""

    def __init__(self, plan: SoakPlan, chance: random.Random) -> None:
        self.plan = plan
        self.count = 0
        self.born = 0
        self.there: list[tuple[int, int, Thing]] = []  # x, number, thing; not taken, hit or gone
        self._chance = chance
        self._next_x = 20
        self._number = 0
        self._fronts: dict[int, Thing] = {}
        self._rears: dict[int, Thing] = {}

    def put(self, thing: Thing) -> None:
        """Lay a part down."""
        self._number += 1
        insort(self.there, (thing.x, self._number, thing))
        self._fronts[thing.x] = thing
        self._rears[thing.x + self.plan.part] = thing

    def remove(self, thing: Thing) -> None:
        """It is off the belt: taken, hit, or gone for good."""
        index = bisect_left(self.there, (thing.x,))
        while self.there[index][2] is not thing:
            index += 1
        del self.there[index]
        if self._fronts.get(thing.x) is thing:
            del self._fronts[thing.x]
        if self._rears.get(thing.x + self.plan.part) is thing:
            del self._rears[thing.x + self.plan.part]

    def slip(self, thing: Thing, counts: int) -> None:
        """It slides on the belt."""
        self.remove(thing)
        thing.x += counts
        thing.slid = True
        self.put(thing)

    def step(self, count: int) -> tuple[Thing | None, Thing | None]:
        """The belt comes to this count: the parts at the photo-eye and at the ejector's eye that
        begin to cover them."""
        forward, self.count = count > self.count, count
        plan = self.plan
        if count >= self._next_x - plan.gap_high:
            self.put(Thing(self._next_x, self._next_x))
            self.born += 1
            self._next_x += self._chance.randint(plan.gap_low, plan.gap_high)
        edges, at = (self._fronts, count) if forward else (self._rears, count + 1)
        if not plan.eye:
            return edges.get(at), None
        return edges.get(at), edges.get(at - plan.travel + plan.to_ejector)

    def strike(self, low: int, high: int) -> list[Thing]:
        """The output was active while the belt was at these counts: who is hit, and gone."""
        travel, there = self.plan.travel, self.there
        first = bisect_right(there, (low - travel - self.plan.part, 1 << 60))
        last = bisect_right(there, (high - travel, 1 << 60))
        struck = [thing for _, _, thing in there[first:last]]
        for thing in struck:
            thing.hit = True
            self.remove(thing)
        return struck

    def between(self, low: int, high: int) -> list[Thing]:
        """Parts whose front has come this far beyond the photo-eye."""
        first = bisect_left(self.there, (self.count - high,))
        last = bisect_right(self.there, (self.count - low, 1 << 60))
        return [thing for _, _, thing in self.there[first:last]]

    def gone(self, beyond: int) -> list[Thing]:
        """Parts this far beyond the ejector leave the belt."""
        limit = self.count - self.plan.travel - self.plan.part - beyond
        last = bisect_right(self.there, (limit, 1 << 60))
        leaving = [thing for _, _, thing in self.there[:last]]
        for thing in leaving:
            self.remove(thing)
        return leaving
