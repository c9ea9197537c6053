"""The outlines of reported defects: few points, to draw a defect where its picture is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.chain.components import Components
from edge.chain.stripes.regions import LargeComponents
from edge.records import Defect, Outline

MAX_OUTLINED = 16
"""Defects of a frame that get an outline: the most severe ones."""

MAX_POLYGONS = 3
"""Polygons of one defect. Joined regions have several; the largest ones are kept."""

MAX_POINTS = 16
"""Points of one polygon."""

_TOLERANCE_PX = 1.0


def with_outlines(
    defects: Sequence[Defect], clusters: Components | LargeComponents, labels: Sequence[int]
) -> tuple[Defect, ...]:
    """Return the defects with outlines; beyond MAX_OUTLINED they stay as they are.

    A polygon runs through the centres of the outermost pixels. It is simplified by the algorithm of
    Douglas and Peucker until it has at most MAX_POINTS points. Holes are not described.

    Args:
        defects: Reported defects, most severe first.
        clusters: The regions of the frame.
        labels: The label of each defect in ``clusters``.
    """
    outlined = [
        replace(defect, outline=_outline(clusters, label, defect))
        for defect, label in zip(defects[:MAX_OUTLINED], labels, strict=False)
    ]
    return (*outlined, *defects[MAX_OUTLINED:])


def _outline(clusters: Components | LargeComponents, label: int, defect: Defect) -> Outline:
    box = defect.region.box
    pixels = clusters.mask_of(label)
    found, _ = cv2.findContours(
        pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(box.left, box.top)
    )
    # The order of equal areas must not depend on the version of OpenCV.
    contours = sorted(
        (np.asarray(each, np.int32) for each in found),
        key=lambda each: (-cv2.contourArea(each), -len(each), *each[0, 0].tolist()),
    )
    return tuple(_simplified(each) for each in contours[:MAX_POLYGONS])


def _simplified(contour: NDArray[np.int32]) -> tuple[tuple[int, int], ...]:
    """Return at most MAX_POINTS points of a contour, int32 N×1×2."""
    tolerance_px = _TOLERANCE_PX
    points = contour
    while len(points) > MAX_POINTS:
        points = np.asarray(cv2.approxPolyDP(contour, tolerance_px, closed=True), np.int32)
        tolerance_px *= 1.5
    return tuple((int(x), int(y)) for x, y in points[:, 0])
