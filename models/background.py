"""The search for min_background: how sure the classifier must be to drop what the detector found.

He & Liu 2020 drop a region when most of its blocks look like background. On faint defects that
costs escapes; so the vote must also be sure, and how sure is read off the validation parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.bundle import ChainManifest
from edge.chain.classify import BACKGROUND, BlockVote, majority
from edge.chain.components import components
from edge.chain.detect import Detector
from edge.chain.filter import keep
from models.patches import Picture

GRID = (0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0)


@dataclass(frozen=True, slots=True)
class BackgroundSearch:
    """The best value and, per value of the grid, the shares it was chosen by."""

    best: float
    grid: tuple[float, ...]
    escape_rate: tuple[float, ...]
    false_reject_rate: tuple[float, ...]


def search_background(
    detector: Detector, vote: BlockVote, chain: ChainManifest, pictures: Iterable[Picture]
) -> BackgroundSearch:
    """The value with the least sum of escape rate and false-reject rate.

    Of equals the middle one, which is furthest from either mistake. Where no part is good there is
    nothing to win by dropping, and the highest is taken: a region dropped may be a piece of a
    defect.
    """
    bad: list[float] = []
    good: list[float] = []
    for picture in pictures:
        side = bad if picture.kind_map.any() else good
        side.append(_least_background(detector, vote, chain, picture))
    # A part is rejected when any of its regions is kept: when the value asked for is above it.
    escapes = [float(np.mean([least >= value for least in bad])) if bad else 0.0 for value in GRID]
    rejects = [float(np.mean([least < value for least in good])) if good else 0.0 for value in GRID]
    sums = np.round(np.add(escapes, rejects), 6)
    equal = np.flatnonzero(sums == sums.min())
    best = int(equal[len(equal) // 2] if good else equal[-1])
    return BackgroundSearch(GRID[best], GRID, tuple(escapes), tuple(rejects))


def _least_background(
    detector: Detector, vote: BlockVote, chain: ChainManifest, picture: Picture
) -> float:
    """The background score of the region that is dropped last: -1 for one that never is, 2 for a
    part without regions."""
    mask = keep(detector.detect(picture.pixels), chain.threshold, *picture.kind_map.shape)
    if mask is None:
        return 2.0
    regions = components(mask, chain.join_px).regions[: chain.max_regions]
    return min((_score(scores) for scores in vote.scores(picture.pixels, regions)), default=2.0)


def _score(scores: npt.NDArray[np.float32]) -> float:
    return float(scores[:, BACKGROUND].mean()) if majority(scores) == BACKGROUND else -1.0
