"""Step 3: Mask → Regions."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.chain.filter import Mask
from edge.records import Box, Region

# A frame of more connected clusters than this is noise or no surface at all. They are not joined:
# in one region they could be called background, and a part be passed that nobody can judge.
MAX_CLUSTERS = 4096
# More regions are never listed; a manifest's max_regions stays below, so such a frame is crowded.
MAX_REGIONS = 1001


@dataclass(frozen=True, slots=True)
class Components:
    """The regions of a frame, most severe first, and which pixel belongs to which.

    At most MAX_REGIONS are listed. labels: uint16 h×w over the mask's part of the frame; i + 1
    where a pixel is of regions[i], 0 where it is of none that is listed.
    """

    regions: tuple[Region, ...]
    labels: NDArray[np.uint16]
    left: int
    top: int


def components(mask: Mask, join_px: float) -> Components:
    """Connected components (8-connectivity); those nearer than ``join_px`` are one region.

    He & Liu 2020, section III.A.3: "the minimum distance between clusters is set to 4". Distance is
    Euclidean between pixel centres, so 4 joins across a gap of up to 2 sound pixels, and 0 or 1
    joins nothing that is not connected. Above MAX_CLUSTERS nothing is joined, so that the frame
    stays what it is: one of too many regions. Equally severe regions go by top, left, then by
    their first pixel in reading order. Deterministic; mask.pixels holds at least one pixel.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.pixels, connectivity=8, ltype=cv2.CV_32S
    )
    boxes = np.asarray(stats[1:], np.int32)
    if join_px > 1 and 2 < count <= MAX_CLUSTERS + 1 and _any_near(boxes, join_px):
        labels = _joined(labels.astype(np.uint16), count, join_px)
    return _ranked(np.asarray(labels, np.int32), mask)


def _any_near(boxes: NDArray[np.int32], join_px: float) -> bool:
    """Whether any two boxes (left, top, width, height, …) are nearer than join_px; True unasked
    for many, where it costs more than it saves."""
    if len(boxes) > 64:
        return True
    start = boxes[:, :2]
    last = start + boxes[:, 2:4] - 1
    gap = np.maximum(start[:, None] - last[None], start[None] - last[:, None]).clip(0)
    near = (gap * gap).sum(2) < join_px * join_px
    return int(near.sum()) > len(boxes)  # each is near itself


def _joined(labels: NDArray[np.uint16], count: int, join_px: float) -> NDArray[np.uint16]:
    """Labels 1…n without holes, in the order of the given ones, after joining what is nearer than
    join_px.

    A dilation of the label image by a disc shows every pixel the largest label in its reach. A
    pair that must be joined always shows, from the side of its smaller label, a larger one; so
    joining what shows, until nothing does, is exact. Each round leaves no two joinable clusters
    that are both largest around themselves, so clusters at least halve: a few rounds.
    """
    reach = int(np.ceil(join_px)) - 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (x * x + y * y < join_px * join_px).astype(np.uint8)
    inside = labels > 0
    while True:
        largest = cv2.dilate(labels, disc)
        differ = inside & (largest != labels)
        if not differ.any():
            break
        labels = _heads(labels[differ], np.asarray(largest[differ], np.uint16), count)[labels]
    used = np.zeros(count, np.bool_)
    used[labels.ravel()] = True
    used[0] = False
    return (np.cumsum(used) * used).astype(np.uint16)[labels]


def _heads(
    labels: NDArray[np.uint16], larger: NDArray[np.uint16], count: int
) -> NDArray[np.uint16]:
    """For each of ``count`` labels the end of its chain label → larger label → …"""
    head = np.arange(count, dtype=np.uint16)
    np.maximum.at(head, labels, larger)
    while True:
        further = head[head]
        if np.array_equal(further, head):
            return head
        head = further


def _ranked(labels: NDArray[np.int32], mask: Mask) -> Components:
    """The regions of labels 1…n, sorted and cut to MAX_REGIONS."""
    flat = labels.ravel()
    index = np.flatnonzero(flat)
    of = flat[index]
    by_label = np.argsort(of, kind="stable")
    index, of = index[by_label], of[by_label]
    starts = np.flatnonzero(np.diff(of, prepend=0))
    severity = mask.severity.ravel()[index]
    rows, cols = np.divmod(index, labels.shape[1])
    peak = np.maximum.reduceat(severity, starts)
    total = np.add.reduceat(severity, starts, dtype=np.float64)
    area = np.diff(starts, append=len(of))
    left, right = np.minimum.reduceat(cols, starts), np.maximum.reduceat(cols, starts)
    top, bottom = rows[starts], np.maximum.reduceat(rows, starts)  # index ascends within a label
    order = np.lexsort((left, top, -peak))[:MAX_REGIONS]
    regions = tuple(
        Region(
            Box(
                int(left[i]) + mask.left,
                int(top[i]) + mask.top,
                int(right[i]) + mask.left + 1,
                int(bottom[i]) + mask.top + 1,
            ),
            int(area[i]),
            float(peak[i]),
            float(total[i] / area[i]),
        )
        for i in order.tolist()
    )
    rank = np.zeros(len(starts) + 1, np.uint16)
    rank[order + 1] = np.arange(1, len(order) + 1)
    return Components(regions, rank[labels], mask.left, mask.top)
