"""The decisions of a chain at every T and every keep_severity, with each network run once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.bundle import ChainManifest
from edge.chain.classify import BACKGROUND, BlockVote, discounted_severity, majority
from edge.chain.components import components
from edge.chain.decide import is_crowded, rejects_from, severity_of
from edge.chain.detect import Detector
from edge.chain.filter import TOLERANCE, apply_threshold
from edge.records import Box, Region
from models.training.patches import Picture
from models.training.progress import track

NEVER = -1.0  # the picture has no region


@dataclass(frozen=True, slots=True)
class OperatingGrid:
    """The keep severities up to which each picture is rejected, by T.

    Attributes:
        thresholds: T, ascending.
        most: float64 pictures × thresholds. The picture is rejected where keep_severity is at or
            below this value. It is infinite where a region is never dropped, and NEVER without
            regions.
    """

    thresholds: tuple[float, ...]
    most: npt.NDArray[np.float64]

    def rejected(self, keeps: Sequence[float]) -> npt.NDArray[np.bool_]:
        """Return bool keeps × pictures × thresholds: true where a region is left.

        keeps: values of keep_severity.
        """
        return self.most[None] >= np.asarray(keeps, np.float64)[:, None, None]


def find_operating_grid(
    detector: Detector,
    vote: BlockVote | None,
    chain: ChainManifest,
    pictures: Iterable[Picture],
    thresholds: Sequence[float],
) -> OperatingGrid:
    """Compute the grid. Blocks for the detector on each picture and the classifier on each region.

    vote: None where every region is a defect. chain: all but the thresholds is used. thresholds:
    ascending.
    """
    progress = track(pictures, f"evaluating {len(thresholds)} thresholds on the pictures")
    rows = [_row(detector, vote, chain, picture, thresholds) for picture in progress]
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
            break  # there is no region at a higher T either
        regions = components(mask, chain.join_px).regions
        at = chain.model_copy(update={"threshold": threshold})
        if is_crowded(regions, at):
            row[place] = math.inf
            continue
        regions = regions[: chain.max_regions]
        new = tuple(region for region in regions if region.box not in known)
        if new and vote is not None:
            boxes = (region.box for region in new)
            known |= dict(zip(boxes, vote.scores(picture.pixels, new), strict=True))
        row[place] = max(_left(region, known.get(region.box), at) for region in regions)
    return row


def _left(region: Region, scores: npt.NDArray[np.float32] | None, chain: ChainManifest) -> float:
    """Return the keep severity up to which a region rejects; NEVER below the reject severity.

    scores: of its blocks; None without a classifier.
    """
    doubt = 0.0 if scores is None else float(scores[:, BACKGROUND].mean())
    if severity_of(region, doubt, chain.threshold) < rejects_from(chain) - TOLERANCE:
        return NEVER
    if scores is None or majority(scores) != BACKGROUND:
        return math.inf
    return discounted_severity(region, doubt)
