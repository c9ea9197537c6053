"""The stripes of a frame: overlapping parts of equal size, each with the cells it gives the map.

The whole frame is rounded up to the grid of the network, as for one run. A cell is taken from a
stripe that contains its reach, or that ends with the frame there. So it is equal to the cell of one
run over the whole frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge.chain.stripes.reach import CellReach
from edge.errors import FrameError

# The most pixels of one run, and of the runs of all threads at once. A larger run computes less
# twice, and needs more memory: some 30 bytes a pixel for lean in int8 on ONNX Runtime. With more
# than six threads each has a run of _LEAST_RUN_PX, because shorter ones are mostly overlap.
MAX_RUN_PX = 1 << 22
_ALL_RUNS_PX = 6 << 20
_LEAST_RUN_PX = 1 << 20
_MAX_PARTS = 512  # along one axis


@dataclass(frozen=True, slots=True)
class StripeSpan:
    """A stripe along one axis. start: its first pixel. first, last: the cells that it gives the map
    of the frame; last is exclusive."""

    start: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Stripe:
    """A stripe of a frame: one run of the network."""

    rows: StripeSpan
    cols: StripeSpan


@dataclass(frozen=True, slots=True)
class StripePlan:
    """The stripes of a frame in rows from the top, each row from the left.

    height, width: of a run, in pixels. rows, cols: the spans along the axes.
    """

    height: int
    width: int
    rows: tuple[StripeSpan, ...]
    cols: tuple[StripeSpan, ...]

    def __len__(self) -> int:
        return len(self.rows) * len(self.cols)

    def __getitem__(self, index: int) -> Stripe:
        row, col = divmod(index, len(self.cols))
        return Stripe(self.rows[row], self.cols[col])

    def __iter__(self) -> Iterator[Stripe]:
        return (self[index] for index in range(len(self)))


@dataclass(frozen=True, slots=True)
class StripeAxis:
    """The measures of one axis for the plan of one frame.

    whole: the frame rounded up to the grid of the network, in pixels. cells: of the map of the
    frame. reach: of the cells.
    """

    whole: int
    cells: int
    reach: CellReach

    def spans(self, size: int) -> tuple[StripeSpan, ...] | None:
        """Return stripes of this size, as few as possible; None where it is too small."""
        if size >= self.whole:
            return (StripeSpan(0, 0, self.cells),)
        reach, spans, start = self.reach, list[StripeSpan](), 0
        stride, last_start = reach.stride_px, self.whole - size
        first = 0
        while start < last_start:
            last = (start + size - reach.after_px) // stride
            # The next stripe has the whole reach of the first cell that is missing.
            following = (last * stride - reach.before_px) // reach.align_px * reach.align_px
            if following <= start or len(spans) >= _MAX_PARTS:
                return None
            spans.append(StripeSpan(start, first, min(last, self.cells)))
            start, first = min(following, last_start), last
        if first < self.cells:
            spans.append(StripeSpan(start, first, self.cells))
        return tuple(spans)

    def size_of(self, parts: int) -> int | None:
        """Return the smallest size with which ``parts`` stripes are enough, or None."""
        if parts == 1:
            return self.whole
        reach = self.reach
        overlap = reach.before_px + reach.after_px
        size = -(-(self.whole + (parts - 1) * overlap) // parts)
        size = -(-size // reach.align_px) * reach.align_px
        while size < self.whole:
            spans = self.spans(size)
            if spans is not None and len(spans) <= parts:
                return size
            size += reach.align_px
        return None


def most_of_a_run(threads: int) -> int:
    """Return the most pixels of one run where so many run at once."""
    return min(MAX_RUN_PX, max(_ALL_RUNS_PX // threads, _LEAST_RUN_PX))


def plan_stripes(
    rows: StripeAxis, cols: StripeAxis, *, threads: int, max_run_px: int
) -> StripePlan:
    """Return the stripes with the fewest pixels on the busiest of ``threads`` cores.

    Among plans of equal cost it is the one with the widest stripes. Raises FrameError where no plan
    keeps a run within max_run_px.
    """
    best: tuple[tuple[int, int, int], int, int] | None = None
    for across in range(1, _MAX_PARTS):
        width = cols.size_of(across)
        if width is None:
            break
        for down in range(1, _MAX_PARTS):
            height = rows.size_of(down)
            if height is None:
                break
            if height * width > max_run_px:
                if height <= rows.reach.shortest_px:
                    break
                continue
            turns = -(-across * down // threads)
            cost = (turns * height * width, across * down, across)
            if best is None or cost < best[0]:
                best = (cost, height, width)
            if turns * height * width > 4 * best[0][0]:
                break
        if best is None and width <= cols.reach.shortest_px:
            break
        if best is not None and width * rows.reach.align_px * across > 4 * best[0][0]:
            break
    if best is None:
        raise FrameError(
            f"{cols.whole}×{rows.whole} px cannot be cut into runs of at most {max_run_px} px"
        )
    return fixed_plan(rows, cols, best[1], best[2])


def fixed_plan(rows: StripeAxis, cols: StripeAxis, height: int, width: int) -> StripePlan:
    """Return the stripes of runs of this size. Raises FrameError where it is too small."""
    spans = rows.spans(height), cols.spans(width)
    if spans[0] is None or spans[1] is None:
        raise FrameError(f"a run of {width}×{height} px is smaller than the reach of a cell")
    return StripePlan(min(height, rows.whole), min(width, cols.whole), spans[0], spans[1])
