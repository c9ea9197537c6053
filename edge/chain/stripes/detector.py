"""The detector of large frames: a network on stripes, equal to one run over the frame."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import DetectorManifest
from edge.chain.detect import MIN_SIDE_PX, Detector, as_channels
from edge.chain.stripes.plan import StripeAxis, StripePlan, most_of_a_run, plan_stripes
from edge.chain.stripes.reach import CellReach
from edge.engines.engine import Engine
from edge.errors import BundleError, FrameError
from edge.records import SeverityMap

# Plans with their engines that are kept. A line has one size of frame.
KEPT_PLANS = 2


class SharesWork(Protocol):
    """Threads that share the items of a task (edge/engines/workers.py)."""

    @property
    def threads(self) -> int: ...

    def share(self, items: int, work: Callable[[int, int], None]) -> None: ...


@dataclass(frozen=True, slots=True)
class StripeNetwork:
    """A network that can run on stripes.

    shaped: returns an engine on one core for the given height and width in pixels. rows, cols: the
    reach of its cells. scale, zero_point: severity = scale · (value - zero_point).
    """

    manifest: DetectorManifest
    shaped: Callable[[int, int], Engine]
    rows: CellReach
    cols: CellReach
    scale: float
    zero_point: int = 0


@dataclass(frozen=True, slots=True)
class _Prepared:
    plan: StripePlan
    engines: tuple[Engine, ...]
    cells: NDArray[np.uint8] | NDArray[np.float32]


class LargeFrameDetector:
    """A Detector that gives frames of from_px pixels and more to another one, others to ``small``.

    Synchronization: one thread at a time may use it.
    """

    def __init__(self, small: Detector, large: Callable[[], Detector], from_px: int) -> None:
        """large: returns the detector of large frames. It is called for the first one, because the
        graph of the network is read for it, some 40 ms."""
        self._small = small
        self._make_large = large
        self._large: Detector | None = None
        self._from_px = from_px

    def prepare(self) -> None:
        """Make the detector of large frames now."""
        if self._large is None:
            self._large = self._make_large()

    def detect(self, pixels: NDArray[np.uint8]) -> SeverityMap:
        if pixels.ndim < 2 or pixels.shape[0] * pixels.shape[1] < self._from_px:
            return self._small.detect(pixels)
        self.prepare()
        assert self._large is not None
        return self._large.detect(pixels)


class StripedDetector:
    """A Detector that gives the severity map of one run over the whole frame, byte for byte.

    It runs overlapping stripes, as many at once as ``workers`` has threads. Each thread has an
    engine of its own. The first frame of a size takes longer, because the engines are made then.

    Synchronization: one thread at a time may use it.
    """

    def __init__(
        self, network: StripeNetwork, workers: SharesWork, *, max_run_px: int | None = None
    ) -> None:
        """Make nothing yet. max_run_px: the most pixels of one run; None: by the threads."""
        self._network = network
        self._workers = workers
        self._max_run_px = max_run_px or most_of_a_run(workers.threads)
        self._kept: OrderedDict[tuple[int, int], _Prepared] = OrderedDict()

    def detect(self, pixels: NDArray[np.uint8]) -> SeverityMap:
        height, width = pixels.shape[:2]
        # Colours are converted stripe by stripe; this checks type and shape.
        as_channels(pixels[:1], self._network.manifest.channels)
        if min(height, width) < MIN_SIDE_PX:
            raise FrameError(f"{width}×{height} px; expected at least {MIN_SIDE_PX}×{MIN_SIDE_PX}")
        prepared = self._prepare(height, width)
        plan = prepared.plan

        def run(worker: int, item: int) -> None:
            self._run(prepared, worker, item, pixels)

        self._workers.share(len(plan), run)
        network = self._network
        return SeverityMap(
            prepared.cells,
            network.scale,
            network.zero_point,
            network.manifest.stride_px,
        )

    def plan(self, height: int, width: int) -> StripePlan:
        """Return the stripes of a frame of this size. Raises FrameError where there are none."""
        return plan_stripes(
            self._sides(height, self._network.rows),
            self._sides(width, self._network.cols),
            threads=self._workers.threads,
            max_run_px=self._max_run_px,
        )

    def _prepare(self, height: int, width: int) -> _Prepared:
        found = self._kept.get((height, width))
        if found is None:
            plan = self.plan(height, width)
            while len(self._kept) >= KEPT_PLANS:
                self._kept.popitem(last=False)
            engines = tuple(
                self._engine(plan) for _ in range(min(self._workers.threads, len(plan)))
            )
            output = engines[0].run().dtype
            cells = np.zeros((plan.rows[-1].last, plan.cols[-1].last), output)
            found = _Prepared(plan, engines, cells)
            self._kept[height, width] = found
        self._kept.move_to_end((height, width))
        return found

    def _engine(self, plan: StripePlan) -> Engine:
        manifest = self._network.manifest
        engine = self._network.shaped(plan.height, plan.width)
        wanted = (1, plan.height, plan.width, manifest.channels)
        if engine.input.shape != wanted:
            raise BundleError(
                f"the input of the detector is {engine.input.shape}; expected {wanted}"
            )
        return engine

    def _sides(self, length: int, reach: CellReach) -> StripeAxis:
        manifest = self._network.manifest
        multiple = manifest.multiple_px
        whole = max(-(-length // multiple), 2) * multiple
        return StripeAxis(whole, -(-length // manifest.stride_px), reach)

    def _run(self, prepared: _Prepared, worker: int, item: int, pixels: NDArray[np.uint8]) -> None:
        """Run one stripe, and copy the cells that are taken from it into the map."""
        plan, engine = prepared.plan, prepared.engines[worker]
        stripe, stride = plan[item], self._network.manifest.stride_px
        y, x = stripe.rows.start, stripe.cols.start
        target = engine.input[0]
        view = as_channels(
            pixels[y : y + plan.height, x : x + plan.width], self._network.manifest.channels
        )
        view = view if view.ndim == 3 else view[:, :, None]
        down, right = target.shape[0] - view.shape[0], target.shape[1] - view.shape[1]
        if down or right:
            cv2.copyMakeBorder(view, 0, down, 0, right, cv2.BORDER_REFLECT_101, dst=target)
        else:
            np.copyto(target, view)
        found = engine.run()[0].reshape(plan.height // stride, plan.width // stride)
        rows, cols = stripe.rows, stripe.cols
        top, left = y // stride, x // stride
        prepared.cells[rows.first : rows.last, cols.first : cols.last] = found[
            rows.first - top : rows.last - top, cols.first - left : cols.last - left
        ]
