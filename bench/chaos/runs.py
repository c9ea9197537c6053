"""The runs of the station by the record of the photo-eye, and their start events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edge.events.start import StartEvent

# A station watches the line before its first part and after its last one, which is a gap at both
# ends. After SIGTERM it counts until its last part has passed the ejector.
_ENDS_S = 1.0


@dataclass(frozen=True, slots=True)
class StationRun:
    """Consecutive edges of one run: number of the part → at_ns.

    first_id: the part_id of the first edge, None where no edge has an event.
    """

    edges: Mapping[int, int]
    first_id: int | None

    def part_id(self, number: int) -> int | None:
        """Return the station's number for this part."""
        return None if self.first_id is None else self.first_id + number - min(self.edges)

    @property
    def last(self) -> int:
        """The number of the last part whose edge the station received."""
        return max(self.edges)


def find_runs(edges: Mapping[int, int], ids: Mapping[int, int]) -> list[StationRun]:
    """Divide the record where parts passed without a station.

    ids: at_ns → part_id, for events that have both. A restart takes longer than the gap between two
    parts.
    """
    runs: list[StationRun] = []
    group: dict[int, int] = {}
    for number in sorted(edges):
        if group and number - 1 not in group:
            runs.append(_run(group, ids))
            group = {}
        group[number] = edges[number]
    if group:
        runs.append(_run(group, ids))
    return runs


def is_marked(run: StationRun, number: int, starts: Iterable[StartEvent]) -> bool:
    """Return whether a start event lists this part as unaccounted for.

    The last edge of a run counts as marked: its station may have crashed before it announced the
    part.
    """
    part_id = run.part_id(number)
    if number == run.last:
        return True
    if part_id is None:
        return False
    return any(
        first <= part_id <= last for each in starts for first, last in each.unaccounted
    ) or _is_under_way(part_id, starts)


def is_outcome_open(part_id: int, starts: Iterable[StartEvent]) -> bool:
    """Return whether a start event leaves the rejector's outcome for this part unknown."""
    return _is_under_way(part_id, starts)


def unwatched(runs: Sequence[StationRun], starts: Sequence[StartEvent]) -> tuple[int, int]:
    """Return the number of parts that no station saw, and of those that no start event covers.

    A start event gives the time without a station since the previous one. It must reach from the
    first to the last such part. A run that ended before its start event was journalled is counted
    in the next one.
    """
    reported_s = {each.first_part: each.unwatched_s or 0.0 for each in starts}
    unseen = silent = owed = 0
    owed_s = 0.0
    for before, after in pairwise(runs):
        parts = min(after.edges) - before.last - 1
        unseen += parts
        owed += parts
        owed_s += (after.edges[min(after.edges)] - before.edges[before.last]) / 1e9 - _ENDS_S
        if after.first_id in reported_s:
            silent += owed if reported_s[after.first_id] < owed_s else 0
            owed, owed_s = 0, 0.0
    return unseen, silent + owed


def _run(group: dict[int, int], ids: Mapping[int, int]) -> StationRun:
    begin = min(group)
    firsts = {ids[at_ns] - (number - begin) for number, at_ns in group.items() if at_ns in ids}
    return StationRun(group, min(firsts, default=None))


def _is_under_way(part_id: int, starts: Iterable[StartEvent]) -> bool:
    ranges = (each.under_way for each in starts if each.under_way is not None)
    return any(first <= part_id <= last for first, last in ranges)
