"""The motion of a simulated belt: its position at any time, as a pure function."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

_COUNT = 1_000_000_000  # positions are integers of 1e-9 count: counts a second times nanoseconds
_STRETCHES = 1_024  # stored: a quarter of an hour
_REVERSE_SHARE = 0.3  # the speed backward, of the nominal speed, is at most this


class Motion(Protocol):
    """A belt's position over time, in encoder counts; times are CLOCK_MONOTONIC."""

    def count_at(self, at_ns: int) -> int:
        """Return the count of an encoder without faults at this time."""
        ...

    def changes(self, after_ns: int, until_ns: int) -> Iterator[tuple[int, int]]:
        """Yield (count, at_ns) for every change of the count in (after_ns, until_ns], oldest
        first."""
        ...


class ManualMotion:
    """A belt that moves only when ``turn`` is called. It starts at count 0."""

    def __init__(self) -> None:
        self._changes: list[tuple[int, int]] = []

    def turn(self, counts: int, *, at_ns: int, step_ns: int = 1_000) -> int:
        """Move by a number of counts, forward if positive, one every step_ns from at_ns on.

        Return the time of the last count. at_ns must not lie before an earlier movement.
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
    """A period of constant speed from began_ns on. position: in 1e-9 counts at began_ns."""

    began_ns: int
    position: int
    counts_per_s: int

    def position_at(self, at_ns: int) -> int:
        return self.position + self.counts_per_s * (at_ns - self.began_ns)


@dataclass(frozen=True, slots=True)
class Drive:
    """The drive of a simulated belt. The same drive gives the same motion in every process."""

    began_ns: int
    """Until this time the belt stands at count 0."""

    counts_per_s: int
    """The nominal speed."""

    variation: float = 0.0
    """Each period of 0.5 to 1.5 s is faster or slower by up to this share."""

    stops: float = 0.0
    """The share of periods in which the belt stands."""

    reversals: float = 0.0
    """The share of periods in which the belt runs backward, at up to 0.3 of its speed and for a
    third of the time."""

    seed: int = 0


class DrivenMotion:
    """The motion of a drive. The speed changes in steps, without ramps, vibration or slip.

    The last 1,024 periods are stored. Before them the belt counts as standing at their beginning.
    """

    def __init__(self, drive: Drive) -> None:
        self._drive = drive
        self._random = random.Random(drive.seed)
        self._stretches: deque[Stretch] = deque(maxlen=_STRETCHES)
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
        """Return when the count is first this high at or after after_ns; None: not by until_ns."""
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
    """Yield the changes of the count within one period, in (after_ns, until_ns]."""
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
