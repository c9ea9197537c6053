"""Step 3: Mask → Regions."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.chain.filter import Mask
from edge.records import Box, Region


@dataclass(frozen=True, slots=True)
class Components:
    """The regions of a frame, most severe first, and which pixel belongs to which.

    labels: uint16 h×w over the mask's part of the frame; i + 1 where a pixel is of regions[i].
    """

    regions: tuple[Region, ...]
    labels: NDArray[np.uint16]
    left: int
    top: int


def components(mask: Mask, join_px: float) -> Components:
    """Connected components (8-connectivity); those nearer than ``join_px`` are one region.

    He & Liu 2020, section III.A.3: "the minimum distance between clusters is set to 4". Distance is
    Euclidean between pixel centres, so 4 joins across a gap of up to 2 sound pixels, and 0 or 1
    joins nothing that is not connected. Deterministic.
    """
    count, found_labels = cv2.connectedComponents(mask.pixels, connectivity=8, ltype=cv2.CV_16U)
    labels: NDArray[np.uint16] = found_labels.astype(np.uint16, copy=False)
    if count > 2 and join_px > 1:
        labels = _joined(labels, count, join_px)
    found = _regions(labels, mask)
    order = sorted(
        range(len(found)),
        key=lambda i: (-found[i].peak_severity, found[i].box.top, found[i].box.left),
    )
    rank = np.zeros(len(found) + 1, np.uint16)
    for place, i in enumerate(order, start=1):
        rank[i + 1] = place
    return Components(tuple(found[i] for i in order), rank[labels], mask.left, mask.top)


def _joined(labels: NDArray[np.uint16], count: int, join_px: float) -> NDArray[np.uint16]:
    """Labels 1…n without holes, after joining what is nearer than join_px.

    A dilation of the label image by a disc shows every pixel the largest label in its reach. A
    pair that must be joined always shows, from the side of its smaller label, a larger one; so
    joining what shows, until nothing does, is exact and takes a few rounds.
    """
    reach = int(np.ceil(join_px)) - 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (x * x + y * y < join_px * join_px).astype(np.uint8)
    inside = labels > 0
    while True:
        largest = cv2.dilate(labels, disc).astype(np.uint16, copy=False)
        differ = inside & (largest != labels)
        if not differ.any():
            break
        pairs = np.unique(np.stack([labels[differ], largest[differ]]), axis=1)
        labels = np.asarray(_union(pairs, count)[labels], np.uint16)
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.uint16)


def _union(pairs: NDArray[np.uint16], count: int) -> NDArray[np.uint16]:
    """For each label the largest of its set (0 stays 0)."""
    parent = list(range(count))

    def root(label: int) -> int:
        while parent[label] != label:
            parent[label] = parent[parent[label]]
            label = parent[label]
        return label

    for a, b in pairs.T.tolist():
        one, other = root(a), root(b)
        parent[min(one, other)] = max(one, other)
    return np.array([root(label) for label in range(count)], np.uint16)


def _regions(labels: NDArray[np.uint16], mask: Mask) -> list[Region]:
    flat = labels.ravel()
    index = np.flatnonzero(flat)
    of = flat[index].astype(np.intp)
    if not of.size:
        return []
    count = int(of.max())
    severity = mask.severity.ravel()[index]
    rows, cols = np.divmod(index, labels.shape[1])
    area = np.bincount(of, minlength=count + 1)[1:]
    total = np.bincount(of, weights=severity, minlength=count + 1)[1:]
    order = np.argsort(of, kind="stable")
    starts = np.concatenate([[0], np.cumsum(area)[:-1]])
    peak = np.maximum.reduceat(severity[order], starts)
    left = np.minimum.reduceat(cols[order], starts) + mask.left
    right = np.maximum.reduceat(cols[order], starts) + mask.left + 1
    top = np.minimum.reduceat(rows[order], starts) + mask.top
    bottom = np.maximum.reduceat(rows[order], starts) + mask.top + 1
    return [
        Region(
            Box(int(left[i]), int(top[i]), int(right[i]), int(bottom[i])),
            int(area[i]),
            float(peak[i]),
            float(total[i] / area[i]),
        )
        for i in range(count)
    ]
