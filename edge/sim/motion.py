"""How a belt moves: where it is at any time, as a pure function."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

_COUNT = 1_000_000_000  # positions are integers of 1e-9 count: counts a second times nanoseconds
_KEPT = 1_024  # stretches remembered: a quarter of an hour
_REVERSE_SHARE = 0.3  # a belt backs up slower than it runs


class Motion(Protocol):
    """A belt's position over time, in encoder counts; times are CLOCK_MONOTONIC."""

    def count_at(self, at_ns: int) -> int:
        """The count that an encoder without fault shows at this time."""
        ...

    def changes(self, after_ns: int, until_ns: int) -> Iterator[tuple[int, int]]:
        """(count, at_ns) of every change of the count in (after_ns, until_ns], oldest first."""
        ...


class HandTurned:
    """A belt that stands, and moves when ``turn`` is called. Starts at count 0."""

    def __init__(self) -> None:
        self._changes: list[tuple[int, int]] = []

    def turn(self, counts: int, *, at_ns: int, step_ns: int = 1_000) -> int:
        """Move by so many counts, forward if positive, one every step_ns from at_ns on.

        Returns the moment of the last. at_ns must not be before what was turned already.
        """
        count = self._changes[-1][0] if self._changes else 0
        step = 1 if counts > 0 else -1
        for number in range(abs(counts)):
            count += step
            self._changes.append((count, at_ns + number * step_ns))
        return self._changes[-1][1] if self._changes else at_ns

    def count_at(self, at_ns: int) -> int:
        return next((count for count, ns in reversed(self._changes) if ns <= at_ns), 0)

    def changes(self, after_ns: int, until_ns: int) -> Iterator[tuple[int, int]]:
        return (change for change in self._changes if after_ns < change[1] <= until_ns)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A belt at one speed from began_ns on; position in 1e-9 counts at that moment."""

    began_ns: int
    position: int
    counts_per_s: int

    def position_at(self, at_ns: int) -> int:
        return self.position + self.counts_per_s * (at_ns - self.began_ns)


@dataclass(frozen=True, slots=True)
class Drive:
    """What moves a simulated belt. The same drive gives the same motion in every process.

    began_ns: until then it stands at count 0. counts_per_s: its nominal speed. variation: each
    stretch of 0.5 to 1.5 s is faster or slower by up to this share. stops, reversals: the shares
    of stretches in which it stands, or backs up at up to 0.3 of its speed for a third of the time.
    """

    began_ns: int
    counts_per_s: int
    variation: float = 0.0
    stops: float = 0.0
    reversals: float = 0.0
    seed: int = 0


class DrivenMotion:
    """The motion of a drive. Speed changes at once: no ramps, no vibration, no slip.

    The last 1,024 stretches are remembered; what lies before them stands at their beginning.
    """

    def __init__(self, drive: Drive) -> None:
        self._drive = drive
        self._random = random.Random(drive.seed)
        self._stretches: deque[Stretch] = deque(maxlen=_KEPT)
        self._stretches.append(Stretch(drive.began_ns, 0, self._speed()))
        self._ends_ns = drive.began_ns + self._length_ns()

    def count_at(self, at_ns: int) -> int:
        self._reach(at_ns)
        for stretch in reversed(self._stretches):
            if stretch.began_ns <= at_ns:
                return stretch.position_at(at_ns) // _COUNT
        return self._stretches[0].position // _COUNT

    def changes(self, after_ns: int, until_ns: int) -> Iterator[tuple[int, int]]:
        self._reach(until_ns)
        needed: list[tuple[Stretch, int]] = []
        ends_ns = until_ns + 1
        for stretch in reversed(self._stretches):
            needed.append((stretch, ends_ns))
            ends_ns = min(ends_ns, stretch.began_ns)
            if ends_ns <= after_ns:
                break
        for stretch, ends_ns in reversed(needed):
            yield from _crossings(stretch, max(after_ns, stretch.began_ns), ends_ns - 1)

    def first_at(self, count: int, after_ns: int, until_ns: int) -> int | None:
        """When the count is first this much or more at or after after_ns; None: not by until_ns."""
        if self.count_at(after_ns) >= count:
            return after_ns
        self._reach(until_ns)
        stretches = list(self._stretches)
        ends = [stretch.began_ns for stretch in stretches[1:]] + [until_ns + 1]
        for stretch, ends_ns in zip(stretches, ends, strict=True):
            if stretch.counts_per_s <= 0 or ends_ns <= after_ns:
                continue
            left = count * _COUNT - stretch.position
            at_ns = stretch.began_ns - -left // stretch.counts_per_s
            if max(after_ns, stretch.began_ns) <= at_ns < min(ends_ns, until_ns + 1):
                return at_ns
        return None

    def _reach(self, at_ns: int) -> None:
        while self._ends_ns <= at_ns:
            last = self._stretches[-1]
            speed = self._speed()
            length_ns = self._length_ns()
            position = last.position_at(self._ends_ns)
            self._stretches.append(Stretch(self._ends_ns, position, speed))
            self._ends_ns += length_ns // 3 if speed < 0 else length_ns

    def _length_ns(self) -> int:
        return round(self._random.uniform(0.5, 1.5) * 1e9)

    def _speed(self) -> int:
        drive, chance = self._drive, self._random.random()
        varied = self._random.uniform(1 - drive.variation, 1 + drive.variation)
        if chance < drive.stops:
            return 0
        if chance < drive.stops + drive.reversals:
            return -max(1, round(drive.counts_per_s * varied * _REVERSE_SHARE))
        return max(1, round(drive.counts_per_s * varied))


def _crossings(stretch: Stretch, after_ns: int, until_ns: int) -> Iterator[tuple[int, int]]:
    """Changes of the count within one stretch, in (after_ns, until_ns]."""
    speed = stretch.counts_per_s
    count = stretch.position_at(after_ns) // _COUNT
    while speed:
        if speed > 0:
            count += 1
            at_ns = stretch.began_ns - (stretch.position - count * _COUNT) // speed
        else:
            at_ns = stretch.began_ns + (stretch.position - count * _COUNT) // -speed + 1
            count -= 1
        if at_ns > until_ns:
            return
        yield count, at_ns
