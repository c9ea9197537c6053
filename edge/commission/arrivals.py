"""The distance between two photo-eyes, calculated from the edges that they reported."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from statistics import median


@dataclass(frozen=True, slots=True)
class Watched:
    """The edges of the photo-eye (first) and of the ejector eye (second).

    All places are nanoseconds, or counts with an encoder. began, ended: both eyes were read between
    these places.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]
    began: int
    ended: int


@dataclass(frozen=True, slots=True)
class Distance:
    """The distance from the first eye to the second, in nanoseconds or counts.

    distance: median over the matched parts. low, high: 5th and 95th percentile. furthest: greatest
    difference from the median.
    matched: parts seen by both eyes. absent: by the first only. unannounced: by the second only.
    certain: False where another distance explains the edges nearly as well. Parts at even gaps on a
    belt that was not empty at the start match at each multiple of the gap. Then the distance
    nearest to the expected one is taken.
    """

    distance: int
    low: int
    high: int
    furthest: int
    matched: int
    absent: int
    unannounced: int
    certain: bool


def find_distance(watched: Watched, *, expected: int, tolerance: int, most: int) -> Distance | None:
    """Return the distance at which most edges of the two eyes match, or None without a match.

    tolerance: allowed deviation of a part from its place. most: largest distance considered. Pure.
    """
    tolerance = max(1, tolerance)
    distances = [
        _explain(watched, distance, tolerance) for distance in _candidates(watched, tolerance, most)
    ]
    if not distances:
        return None
    best = max(distances, key=lambda one: (_score(one), -abs(one.distance - expected)))
    others = [one for one in distances if abs(one.distance - best.distance) > 2 * tolerance]
    rivals = [one for one in others if not _outdoes(best, one)]
    if rivals:
        best = min([best, *rivals], key=lambda one: abs(one.distance - expected))
    return replace(best, certain=not rivals)


def _candidates(watched: Watched, tolerance: int, most: int) -> list[int]:
    """Return distances with many matching pairs of edges: one for each group of similar pairs."""
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
        # The window with the most pairs that begins within this one.
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
    unannounced = sum(place >= watched.began + distance + tolerance for place in second)
    if not apart:
        return Distance(distance, 0, 0, 0, 0, absent, unannounced, False)
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
        unannounced,
        False,
    )


def _score(one: Distance) -> int:
    return one.matched - one.absent - one.unannounced


def _outdoes(best: Distance, other: Distance) -> bool:
    """Return True where the other distance can be excluded.

    Either the best one explains every edge and the other does not, or the other explains far fewer.
    """
    if not (best.absent or best.unannounced) and (other.absent or other.unannounced):
        return True
    return _score(best) - _score(other) >= max(3, best.matched // 5)
