"""What a chain would decide of pictures at every T and every keep_severity, with the networks run
once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.bundle import ChainManifest
from edge.chain.classify import BACKGROUND, BlockVote, discounted_severity, majority
from edge.chain.components import components
from edge.chain.detect import Detector
from edge.chain.filter import apply_threshold
from edge.records import Box, Region
from models.training.patches import Picture
from models.training.progress import track

NEVER = -1.0  # no region at all


@dataclass(frozen=True, slots=True)
class OperatingGrid:
    """most: float64 pictures × thresholds: what is believed of the region that is dropped last:
    infinite where one never is, NEVER without regions. thresholds ascend."""

    thresholds: tuple[float, ...]
    most: npt.NDArray[np.float64]

    def rejected(self, keeps: Sequence[float]) -> npt.NDArray[np.bool_]:
        """bool keeps × pictures × thresholds: a part is rejected when any region is kept."""
        return self.most[None] >= np.asarray(keeps, np.float64)[:, None, None]


def find_operating_grid(
    detector: Detector,
    vote: BlockVote | None,
    chain: ChainManifest,
    pictures: Iterable[Picture],
    thresholds: Sequence[float],
) -> OperatingGrid:
    """Blocks for the detector once per picture and the classifier once per region. chain: join_px
    and max_regions of it count; thresholds ascend. vote: None where every region is a defect."""
    seen = track(pictures, f"trying {len(thresholds)} T on the judged pictures")
    rows = [_row(detector, vote, chain, picture, thresholds) for picture in seen]
    most = np.array(rows, np.float64).reshape(len(rows), len(thresholds))
    return OperatingGrid(tuple(thresholds), most)


def _row(
    detector: Detector,
    vote: BlockVote | None,
    chain: ChainManifest,
    picture: Picture,
    thresholds: Sequence[float],
) -> list[float]:
    severity = detector.detect(picture.pixels)
    row = [NEVER] * len(thresholds)
    known: dict[Box, npt.NDArray[np.float32]] = {}
    for place, threshold in enumerate(thresholds):
        mask = apply_threshold(severity, threshold, *picture.kind_map.shape)
        if mask is None:
            break  # nor at any higher T
        regions = components(mask, chain.join_px).regions
        if vote is None or len(regions) > chain.max_regions:
            row[place] = math.inf
            continue
        new = tuple(region for region in regions if region.box not in known)
        if new:
            boxes = (region.box for region in new)
            known |= dict(zip(boxes, vote.scores(picture.pixels, new), strict=True))
        row[place] = max(_left(region, known[region.box]) for region in regions)
    return row


def _left(region: Region, scores: npt.NDArray[np.float32]) -> float:
    if majority(scores) != BACKGROUND:
        return math.inf
    return discounted_severity(region, float(scores[:, BACKGROUND].mean()))
