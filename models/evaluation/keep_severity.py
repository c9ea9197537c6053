"""The search for keep_severity on validation parts.

He & Liu 2020 drop a region when most of its blocks look like background. With faint defects this
causes escapes. Therefore a region with a high severity is dropped only where the classifier has
little doubt. keep_severity is the severity, reduced by this doubt, from which a region is reported.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.bundle import ChainManifest
from edge.chain.classify import BACKGROUND, KEEP_NONE, BlockVote, discounted_severity, majority
from edge.chain.components import components
from edge.chain.detect import Detector
from edge.chain.filter import apply_threshold
from edge.records import Region
from models.training.patches import Picture
from models.training.progress import track

GRID = (*np.arange(0.0, 6.0, 0.25).tolist(), 6.0, 8.0, KEEP_NONE)
# Sums of two rates with a smaller difference are equal: with a hundred parts it is one part.
SLACK = 0.01


@dataclass(frozen=True, slots=True)
class BackgroundSearch:
    """The best value, and the rates for each value of the grid."""

    best: float
    grid: tuple[float, ...]
    escape_rate: tuple[float, ...]
    false_reject_rate: tuple[float, ...]


def search_background(
    detector: Detector, vote: BlockVote, chain: ChainManifest, pictures: Iterable[Picture]
) -> BackgroundSearch:
    """The value with the least sum of escape rate and false-reject rate; of all that are within
    SLACK of it the one with the fewest escapes, which are worse.

    Of equals the middle one, which is furthest from either mistake. Where no part is good there is
    nothing to win by dropping, and the lowest is taken: a region dropped may be a piece of a
    defect.
    """
    bad: list[float] = []
    good: list[float] = []
    for picture in track(pictures, "searching what the classifier may drop"):
        side = good if picture.sample.is_good else bad
        side.append(_most_believed(detector, vote, chain, picture))
    # A part is rejected when any of its regions is kept.
    escapes = [float(np.mean([most < value for most in bad])) if bad else 0.0 for value in GRID]
    rejects = [float(np.mean([most >= value for most in good])) if good else 0.0 for value in GRID]
    sums = np.add(escapes, rejects)
    near = np.flatnonzero(sums <= sums.min() + SLACK)
    rates = {int(i): (escapes[i], rejects[i]) for i in near}
    equal = [i for i, pair in rates.items() if pair == min(rates.values())]
    best = equal[len(equal) // 2] if good else equal[0]
    return BackgroundSearch(GRID[best], GRID, tuple(escapes), tuple(rejects))


def _most_believed(
    detector: Detector, vote: BlockVote, chain: ChainManifest, picture: Picture
) -> float:
    """Return the discounted severity of the region that is dropped last.

    It is infinite for a region that is never dropped, and -1 for a part without regions.
    """
    mask = apply_threshold(
        detector.detect(picture.pixels), chain.threshold, *picture.kind_map.shape
    )
    if mask is None:
        return -1.0
    regions = components(mask, chain.join_px).regions[: chain.max_regions]
    votes = vote.scores(picture.pixels, regions)
    return max(map(_left, regions, votes), default=-1.0)


def _left(region: Region, scores: npt.NDArray[np.float32]) -> float:
    if majority(scores) != BACKGROUND:
        return math.inf
    return discounted_severity(region, float(scores[:, BACKGROUND].mean()))
