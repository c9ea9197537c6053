"""Step components for large frames: the regions of ``components``, from bands of rows.

Memory is bounded by the size of a band and by the number of clusters, and not by the size of the
frame. A cluster that crosses the edge of a band is put together from its parts. Two clusters that
are nearer than ``join_px`` are found in a band with the last rows of the one above.

The regions are equal to those of ``components``, byte for byte. Sums of severity are exact in
float64 as long as they have at most 53 bits, so their order does not matter. That holds for any
frame of 105 megapixels where the threshold is 2 or more, and for regions of up to 10 megapixels
where it is 0.25 or more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.chain.components import MAX_CLUSTERS, MAX_REGIONS, any_near
from edge.chain.filter import Mask
from edge.chain.stripes.bands import BandedMask
from edge.records import Box, Region

# Frames of so many pixels and more take this way: 4 megapixels.
BANDED_FROM_PX = 1 << 22
_MAX_LABELS = 65_535  # of uint16, in which near clusters are searched
_PRUNE_AT = 4 * MAX_CLUSTERS

# Columns of the table of clusters. FIRST is the first pixel in reading order, as a number; ORDER is
# the position of the cluster in the labels of OpenCV, which counts blocks of 2×2 pixels.
_LEFT, _TOP, _RIGHT, _BOTTOM, _AREA, _PEAK, _SUM, _FIRST, _ORDER = range(9)
_MIN = (_LEFT, _TOP, _FIRST, _ORDER)
_MAX = (_RIGHT, _BOTTOM, _PEAK)
_ADD = (_AREA, _SUM)
_Table = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LargeComponents:
    """The regions of a large frame, most severe first; as Components, without an image of labels.

    clusters: for each region the first pixel (row, column) of each of its clusters, in the frame.
    """

    regions: tuple[Region, ...]
    mask: BandedMask
    clusters: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def left(self) -> int:
        return self.mask.left

    @property
    def top(self) -> int:
        return self.mask.top

    @property
    def labels(self) -> NDArray[np.uint16]:
        """The image of labels as in Components: 2 bytes per pixel, made anew by each call."""
        labels = np.zeros((self.mask.height, self.mask.width), np.uint16)
        for number, region in enumerate(self.regions, start=1):
            box = region.box
            place = labels[
                box.top - self.top : box.bottom - self.top,
                box.left - self.left : box.right - self.left,
            ]
            place[self.mask_of(number) > 0] = number
        return labels

    def mask_of(self, label: int) -> NDArray[np.uint8]:
        """Return the pixels of region ``label`` in its box, uint8: 1 at its pixels, else 0.

        It is calculated anew, and needs one byte per pixel of the box.
        """
        box = self.regions[label - 1].box
        filled = np.zeros((box.height, box.width), np.uint8)
        first, last = box.top - self.top, box.bottom - self.top
        for start, band in self.mask.bands(first, last):
            if band is not None:
                left = box.left - self.left
                part = band.pixels[:, left : left + box.width]
                filled[start - first : start - first + len(part)] = part
        for row, col in self.clusters[label - 1]:
            if filled[row - box.top, col - box.left] == 1:
                seed = (col - box.left, row - box.top)
                cv2.floodFill(filled, None, seed, 2, flags=8)
        filled >>= 1
        return filled


def large_components(mask: BandedMask, join_px: float) -> LargeComponents | None:
    """Return the regions of a mask, joined where nearer than join_px, as ``components`` does.

    None where no pixel reaches the threshold: between cells severity can be lower than at them.
    """
    sweep = _Sweep(mask.width, join_px)
    for start, band in mask.bands():
        sweep.take(start, band)
    found = sweep.result()
    if not len(found.table):
        return None
    order = np.lexsort(
        (
            found.table[:, _ORDER],
            found.table[:, _LEFT],
            found.table[:, _TOP],
            -found.table[:, _PEAK],
        )
    )[:MAX_REGIONS]
    return LargeComponents(
        tuple(_region(found.table[i], mask) for i in order.tolist()),
        mask,
        tuple(found.seeds(i, mask) for i in order.tolist()),
    )


def _region(row: _Table, mask: BandedMask) -> Region:
    left, top, right, bottom, area = (int(value) for value in row[:_PEAK])
    box = Box(left + mask.left, top + mask.top, right + mask.left + 1, bottom + mask.top + 1)
    return Region(box, area, float(row[_PEAK]), float(row[_SUM] / area))


@dataclass(slots=True)
class _Clusters:
    """The regions, a row of the table each, and the first pixels of their clusters."""

    table: _Table
    firsts: list[list[int]]
    width: int

    def seeds(self, index: int, mask: BandedMask) -> tuple[tuple[int, int], ...]:
        places = (divmod(first, self.width) for first in self.firsts[index])
        return tuple((row + mask.top, col + mask.left) for row, col in places)


@dataclass(slots=True)
class _Sweep:
    """The state between two bands.

    closed: clusters that reach none of the last rows. open: the others by their number. carried:
    numbers of the open clusters at the last rows, int32, 0 for none. near: pairs of clusters that
    are to be joined. joins: false once there are too many clusters for that.
    """

    width: int
    join_px: float
    closed: list[_Table] = field(default_factory=list)
    closed_numbers: list[NDArray[np.int64]] = field(default_factory=list)
    closed_count: int = 0
    open: dict[int, _Table] = field(default_factory=dict)
    carried: NDArray[np.int32] | None = None
    near: set[tuple[int, int]] = field(default_factory=set)
    parents: dict[int, int] = field(default_factory=dict)
    joins: bool = True
    following: int = 1

    @property
    def _kept_rows(self) -> int:
        return max(math.ceil(self.join_px) - 1, 1)

    def take(self, start: int, band: Mask | None) -> None:
        """Take the next band. start: its first row."""
        if band is None:
            self._close_all()
            return
        above = self.carried
        kept = 0 if above is None else len(above)
        pixels = band.pixels
        if above is not None:
            pixels = np.concatenate([(above > 0).astype(np.uint8), pixels])
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            pixels, connectivity=8, ltype=cv2.CV_32S
        )
        found = np.asarray(labels, np.int32)
        numbers = self._number(count, found[:kept], above)
        table = _table(found[kept:], band.severity, start, self.width)
        if (
            self.joins
            and self.join_px > 1
            and 2 < count <= _MAX_LABELS
            and any_near(np.asarray(stats[1:], np.int32), self.join_px)
        ):
            self._pair(found.astype(np.uint16), numbers)
        last = found[-self._kept_rows :]
        self._store(table, numbers, np.unique(last))
        self.carried = numbers.astype(np.int32)[last]

    def _number(
        self, count: int, old: NDArray[np.int32], above: NDArray[np.int32] | None
    ) -> NDArray[np.int64]:
        """Return the number of the cluster for each label of the band; merge what it connects."""
        numbers = np.zeros(count, np.int64)
        if above is not None:
            inside = old > 0
            pairs = np.unique(np.column_stack([old[inside], above[inside]]), axis=0)
            for label, number in pairs.tolist():
                if numbers[label]:
                    self._merge(int(numbers[label]), number)
                numbers[label] = self._head(int(numbers[label]) or number)
            for label in np.flatnonzero(numbers).tolist():
                numbers[label] = self._head(int(numbers[label]))
        fresh = np.flatnonzero(numbers[1:] == 0) + 1
        numbers[fresh] = np.arange(self.following, self.following + len(fresh))
        self.following += len(fresh)
        return numbers

    def _merge(self, one: int, other: int) -> None:
        one, other = self._head(one), self._head(other)
        if one != other:
            keep, gone = min(one, other), max(one, other)
            self.parents[gone] = keep
            self.open[keep] = _merged(self.open[keep], self.open.pop(gone))

    def _head(self, number: int) -> int:
        while number in self.parents:
            number = self.parents[number]
        return number

    def _pair(self, labels: NDArray[np.uint16], numbers: NDArray[np.int64]) -> None:
        """Record which clusters of the band are nearer than join_px. As ``_joined`` does it."""
        reach = math.ceil(self.join_px) - 1
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        disc = (x * x + y * y < self.join_px * self.join_px).astype(np.uint8)
        now, heads = labels, np.arange(len(numbers))
        while True:
            largest = cv2.dilate(now, disc)
            differ = (now > 0) & (largest != now)
            if not differ.any():
                return
            pairs = np.unique(np.column_stack([now[differ], largest[differ]]), axis=0)
            step = np.arange(len(numbers))
            for low, high in pairs.tolist():
                one, other = int(numbers[heads[low]]), int(numbers[heads[high]])
                self.near.add((min(one, other), max(one, other)))
                step[low] = max(step[low], high)
            while not np.array_equal(step[step], step):
                step = step[step]
            now = step.astype(np.uint16)[now]

    def _store(self, table: _Table, numbers: NDArray[np.int64], at_edge: NDArray[np.int32]) -> None:
        """Add the pixels of the band to the clusters, and close those that end in it."""
        labels = np.flatnonzero(table[:, _AREA] > 0)
        old = [label for label in labels.tolist() if int(numbers[label]) in self.open]
        for label in old:
            number = int(numbers[label])
            self.open[number] = _merged(self.open[number], table[label])
        still = np.zeros(len(numbers), np.bool_)
        still[at_edge] = True
        still[0] = False
        known = np.zeros(len(numbers), np.bool_)
        known[old] = True
        ended = labels[~known[labels] & ~still[labels]]
        self._close(table[ended], numbers[ended])
        for label in np.flatnonzero(still & ~known).tolist():
            number = int(numbers[label])
            if number not in self.open:
                self.open[number] = table[label]
        edge = {int(number) for number in numbers[still].tolist()}
        gone = [number for number in self.open if number not in edge]
        if gone:
            self._close(np.array([self.open.pop(n) for n in gone]), np.array(gone, np.int64))

    def _close(self, table: _Table, numbers: NDArray[np.int64]) -> None:
        if not len(table):
            return
        self.closed.append(table)
        self.closed_numbers.append(numbers)
        self.closed_count += len(table)
        if self.closed_count > MAX_CLUSTERS:
            self.joins = False
            self.near.clear()
        if sum(map(len, self.closed)) > _PRUNE_AT:
            # More than the regions that are listed. Nothing is joined any more.
            rows, names = np.concatenate(self.closed), np.concatenate(self.closed_numbers)
            order = np.lexsort((rows[:, _ORDER], rows[:, _LEFT], rows[:, _TOP], -rows[:, _PEAK]))[
                :MAX_REGIONS
            ]
            self.closed, self.closed_numbers = [rows[order]], [names[order]]

    def _close_all(self) -> None:
        if self.open:
            self._close(np.array(list(self.open.values())), np.array(list(self.open), np.int64))
        self.open.clear()
        self.carried = None

    def result(self) -> _Clusters:
        """Return all regions, joined, in no order."""
        self._close_all()
        if not self.closed:
            return _Clusters(np.empty((0, 9)), [], self.width)
        table, numbers = np.concatenate(self.closed), np.concatenate(self.closed_numbers)
        firsts = [[int(first)] for first in table[:, _FIRST]]
        if not self.joins or not self.near or self.closed_count > MAX_CLUSTERS:
            return _Clusters(table, firsts, self.width)
        place = {int(number): index for index, number in enumerate(numbers.tolist())}
        heads = list(range(len(table)))
        for one, other in self.near:
            a, b = _root(heads, place[self._head(one)]), _root(heads, place[self._head(other)])
            heads[max(a, b)] = min(a, b)
        rows: dict[int, int] = {}
        joined: list[_Table] = []
        grouped: list[list[int]] = []
        for index in range(len(table)):
            root = _root(heads, index)
            if root not in rows:
                rows[root] = len(joined)
                joined.append(table[index])
                grouped.append(firsts[index])
                continue
            at = rows[root]
            order = max(joined[at][_ORDER], table[index][_ORDER])  # as the labels of _joined
            joined[at] = _merged(joined[at], table[index])
            joined[at][_ORDER] = order
            grouped[at] = grouped[at] + firsts[index]
        return _Clusters(np.array(joined), grouped, self.width)


def _root(heads: Sequence[int], index: int) -> int:
    while heads[index] != index:
        index = heads[index]
    return index


def _merged(one: _Table, other: _Table) -> _Table:
    """Return one row for two clusters."""
    row = one.copy()
    for column in _MIN:
        row[column] = min(one[column], other[column])
    for column in _MAX:
        row[column] = max(one[column], other[column])
    for column in _ADD:
        row[column] = one[column] + other[column]
    return row


def _table(
    labels: NDArray[np.int32], severity: NDArray[np.float32], start: int, width: int
) -> _Table:
    """Return a row for each label of a band, of area 0 where the band has no pixel of it.

    start: the first row of the band. width: of the mask.
    """
    flat = labels.ravel()
    index = np.flatnonzero(flat)
    of = flat[index]
    table = np.zeros((int(flat.max(initial=0)) + 1, 9))
    if not len(index):
        return table
    by_label = np.argsort(of, kind="stable")
    index, of = index[by_label], of[by_label]
    starts = np.flatnonzero(np.diff(of, prepend=0))
    values = severity.ravel()[index]
    rows, cols = np.divmod(index, labels.shape[1])
    rows += start
    named = of[starts]
    blocks = (rows // 2) * -(-width // 2) + cols // 2
    table[named, _LEFT] = np.minimum.reduceat(cols, starts)
    table[named, _RIGHT] = np.maximum.reduceat(cols, starts)
    table[named, _TOP] = rows[starts]
    table[named, _BOTTOM] = np.maximum.reduceat(rows, starts)
    table[named, _AREA] = np.diff(starts, append=len(of))
    table[named, _PEAK] = np.maximum.reduceat(values, starts)
    table[named, _SUM] = np.add.reduceat(values, starts, dtype=np.float64)
    table[named, _FIRST] = rows[starts] * width + cols[starts]
    table[named, _ORDER] = np.minimum.reduceat(blocks, starts)
    return table
