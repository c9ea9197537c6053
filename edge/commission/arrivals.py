"""From what two photo-eyes saw to how far they are apart."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from statistics import median


@dataclass(frozen=True, slots=True)
class Watched:
    """Edges of the photo-eye and of the ejector's eye as places: nanoseconds, or counts.

    began, ended: between these both eyes were looked at.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]
    began: int
    ended: int


@dataclass(frozen=True, slots=True)
class Distance:
    """From the first eye to the second.

    distance: the median; low, high: 5th and 95th percentile, furthest: the greatest difference from
    the median. matched: parts seen by both; absent: by the first only; strangers: by the second
    only. certain: no other distance explains the edges nearly as well. Parts at even gaps on a belt
    that was not empty fit at every gap; then the one nearest to what is expected is taken.
    """

    distance: int
    low: int
    high: int
    furthest: int
    matched: int
    absent: int
    strangers: int
    certain: bool


def find_distance(watched: Watched, *, expected: int, tolerance: int, most: int) -> Distance | None:
    """The distance at which most edges of one eye meet one of the other; None: none does.

    tolerance: how far a part may be from its place. most: no distance is greater. Pure.
    """
    tolerance = max(1, tolerance)
    found = [
        _explain(watched, distance, tolerance) for distance in _candidates(watched, tolerance, most)
    ]
    if not found:
        return None
    best = max(found, key=lambda one: (_score(one), -abs(one.distance - expected)))
    others = [one for one in found if abs(one.distance - best.distance) > 2 * tolerance]
    rivals = [one for one in others if not _outdoes(best, one)]
    if rivals:
        best = min([best, *rivals], key=lambda one: abs(one.distance - expected))
    return replace(best, certain=not rivals)


def _candidates(watched: Watched, tolerance: int, most: int) -> list[int]:
    """Distances at which pairs of edges agree, each the one of its surroundings with the most."""
    apart = sorted(
        later - earlier
        for earlier in watched.first
        for later in watched.second
        if 0 < later - earlier <= most
    )
    groups: list[int] = []
    index = 0
    while index < len(apart):
        end = bisect_left(apart, apart[index] + 2 * tolerance + 1)
        # The fullest window that begins within this one.
        start = max(
            range(index, end),
            key=lambda i: bisect_left(apart, apart[i] + 2 * tolerance + 1) - i,
        )
        end = bisect_left(apart, apart[start] + 2 * tolerance + 1)
        groups.append(apart[(start + end - 1) // 2])
        index = end
    return groups


def _explain(watched: Watched, distance: int, tolerance: int) -> Distance:
    second = list(watched.second)
    apart: list[int] = []
    absent = 0
    for place in watched.first:
        index = bisect_left(second, place + distance - tolerance)
        near = [one for one in second[index : index + 3] if one <= place + distance + tolerance]
        if near:
            hit = min(near, key=lambda one: abs(one - place - distance))
            second.remove(hit)
            apart.append(hit - place)
        elif place + distance + tolerance <= watched.ended:
            absent += 1
    strangers = sum(place >= watched.began + distance + tolerance for place in second)
    if not apart:
        return Distance(distance, 0, 0, 0, 0, absent, strangers, False)
    apart.sort()
    centre = round(median(apart))
    last = len(apart) - 1
    return Distance(
        centre,
        apart[round(0.05 * last)],
        apart[round(0.95 * last)],
        max(centre - apart[0], apart[-1] - centre),
        len(apart),
        absent,
        strangers,
        False,
    )


def _score(one: Distance) -> int:
    return one.matched - one.absent - one.strangers


def _outdoes(best: Distance, other: Distance) -> bool:
    """Whether the other is out of the question: the best leaves nothing unexplained and it does, or
    it explains far less."""
    if not (best.absent or best.strangers) and (other.absent or other.strangers):
        return True
    return _score(best) - _score(other) >= max(3, best.matched // 5)
