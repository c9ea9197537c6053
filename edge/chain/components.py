"""Step 3: mask to regions, by connected components.

Source: He & Liu 2020 (IEEE Access 8:35583), section III.A.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.chain.filter import Mask
from edge.records import Box, Region

# More connected clusters than this are noise, or no surface at all. They are not joined, because
# one joined region could be classified as background, and the part would pass.
MAX_CLUSTERS = 4096
# At most so many regions are listed. max_regions of a manifest is below, so that such a frame is
# rejected.
MAX_REGIONS = 1001


@dataclass(frozen=True, slots=True)
class Components:
    """The regions of a frame, most severe first, with the label of each pixel.

    regions: at most MAX_REGIONS. labels: uint16 h×w, for the part of the frame that the mask
    covers; i + 1 for a pixel of regions[i], 0 for a pixel of no listed region. left, top: position
    of labels[0, 0] in the frame, in pixels.
    """

    regions: tuple[Region, ...]
    labels: NDArray[np.uint16]
    left: int
    top: int

    def mask_of(self, label: int) -> NDArray[np.uint8]:
        """Return the pixels of region ``label`` in its box, uint8: 1 at its pixels, else 0."""
        box = self.regions[label - 1].box
        rows = slice(box.top - self.top, box.bottom - self.top)
        columns = slice(box.left - self.left, box.right - self.left)
        return np.asarray(self.labels[rows, columns] == label, np.uint8)


def components(mask: Mask, join_px: float) -> Components:
    """Return the 8-connected components; those nearer than ``join_px`` form one region.

    He & Liu 2020, section III.A.3: "the minimum distance between clusters is set to 4". The
    distance is Euclidean between pixel centres. So 4 joins across a gap of up to 2 sound pixels
    along a row or column, and 0 or 1 joins nothing that is not connected. With more than
    MAX_CLUSTERS clusters nothing is joined.

    mask.pixels must hold at least one pixel. Regions of equal severity are sorted by top, left,
    then by their first pixel in reading order, so the result is deterministic.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.pixels, connectivity=8, ltype=cv2.CV_32S
    )
    boxes = np.asarray(stats[1:], np.int32)
    if join_px > 1 and 2 < count <= MAX_CLUSTERS + 1 and any_near(boxes, join_px):
        labels = _joined(labels.astype(np.uint16), count, join_px)
    return _ranked(np.asarray(labels, np.int32), mask)


def any_near(boxes: NDArray[np.int32], join_px: float) -> bool:
    """Return True where two boxes (left, top, width, height, …) are nearer than join_px.

    Return True also for more than 64 boxes, where the check costs more than it saves.
    """
    if len(boxes) > 64:
        return True
    start = boxes[:, :2]
    last = start + boxes[:, 2:4] - 1
    gap = np.maximum(start[:, None] - last[None], start[None] - last[:, None]).clip(0)
    near = (gap * gap).sum(2) < join_px * join_px
    return int(near.sum()) > len(boxes)  # each is near itself


def _joined(labels: NDArray[np.uint16], count: int, join_px: float) -> NDArray[np.uint16]:
    """Return labels 1…n, consecutive and in the given order, after joining near clusters.

    A dilation of the label image by a disc gives each pixel the largest label within join_px. For a
    pair that must be joined, some pixel of the smaller label receives a larger one. So the result
    is exact when labels are joined until no pixel receives a larger one. In each round at least
    half of the joinable clusters are joined to another one, so there are only a few rounds.
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
    """Return, for each of ``count`` labels, the last label of its chain of larger labels."""
    head = np.arange(count, dtype=np.uint16)
    np.maximum.at(head, labels, larger)
    while True:
        further = head[head]
        if np.array_equal(further, head):
            return head
        head = further


def _ranked(labels: NDArray[np.int32], mask: Mask) -> Components:
    """Return the regions of labels 1…n, sorted and limited to MAX_REGIONS."""
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
