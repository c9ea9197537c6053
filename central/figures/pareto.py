"""Pareto: kinds by their number, with shares and the cumulated share; and histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OTHER = "other kinds"


@dataclass(frozen=True, slots=True)
class ParetoBar:
    """One kind. share, cumulated: shares of all, 0 to 1; cumulated includes this bar."""

    kind: str
    count: int
    share: float
    cumulated: float


def pareto(counts: Mapping[str, int], most: int = 12) -> tuple[ParetoBar, ...]:
    """Return the kinds by descending number, then by name. Kinds without a part are left out.

    most: the largest number of bars, at least 2. The rarest kinds become one bar named ``OTHER``,
    which is the last one.
    """
    ordered = sorted(
        ((kind, count) for kind, count in counts.items() if count > 0),
        key=lambda each: (-each[1], each[0]),
    )
    if len(ordered) > most:
        rest = sum(count for _, count in ordered[most - 1 :])
        ordered = [*ordered[: most - 1], (OTHER, rest)]
    total = sum(count for _, count in ordered)
    bars = []
    so_far = 0
    for kind, count in ordered:
        so_far += count
        bars.append(ParetoBar(kind, count, count / total, so_far / total))
    return tuple(bars)


@dataclass(frozen=True, slots=True)
class HistogramBin:
    """The number of values from ``start`` to below ``end``."""

    start: float
    end: float
    count: int


def histogram(counts: Mapping[int, int], edges: Sequence[float]) -> tuple[HistogramBin, ...]:
    """Return the bins between edges. counts: values by the number of the bin, from 0.

    Values of a bin that does not exist are in the first or in the last one.
    """
    bins = [0] * (len(edges) - 1)
    for number, count in counts.items():
        bins[min(max(number, 0), len(bins) - 1)] += count
    return tuple(
        HistogramBin(edges[number], edges[number + 1], count) for number, count in enumerate(bins)
    )
