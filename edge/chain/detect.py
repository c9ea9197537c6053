"""Step 1: Frame → SeverityMap."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import DetectorManifest
from edge.engines.engine import Engine
from edge.errors import BundleError, FrameError
from edge.records import SeverityMap

# A frame smaller than this in either side is refused: nothing can be said of it, and PASS would be
# a guess. 16 px is one cell of the lean network's coarsest stage.
MIN_SIDE_PX = 16
# The longest side of one run of a network that takes any shape: tiles see less and cost more, and
# a run takes memory by its area.
RUN_SIDE_PX = 1024
# Engines of other shapes that are kept at a time: a line has one size of frame, a folder many.
KEPT_ENGINES = 4
# The exporter's graphs are traced for two multiples of multiple_px or more a side.
MIN_MULTIPLES = 2


class Detector(Protocol):
    """Gives each cell of a frame a severity."""

    def detect(self, pixels: NDArray[np.uint8]) -> SeverityMap:
        """pixels: uint8 H×W or H×W×3 (BGR). The map is valid until the next call. Blocks.

        Raises FrameError when the pixels are not what the detector can look at.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Grid:
    """Tiles along one axis, ``step`` apart; the last is moved back so that it ends where the frame
    does (to ``multiple``, the network's own grid): it sees surface there and not its reflection.
    Cells are cut half-way through the overlap, where a neighbour sees further than this tile does.
    """

    length: int
    size: int
    step: int
    multiple: int
    count: int

    @classmethod
    def over(cls, length: int, size: int, overlap: int, multiple: int) -> _Grid:
        if length <= size:
            return cls(length, size, size, multiple, 1)
        step = size - overlap
        return cls(length, size, step, multiple, -(-(length - overlap) // step))

    def start(self, index: int) -> int:
        """The frame's pixel at which tile ``index`` begins."""
        last = -(-max(self.length - self.size, 0) // self.multiple) * self.multiple
        return min(index * self.step, last)

    def kept(self, index: int, stride: int) -> tuple[int, int]:
        """First and last (exclusive) pixel of the frame that tile ``index`` answers for."""
        half = (self.size - self.step) // 2 // stride * stride
        first = index * self.step + half if index else 0
        last = (index + 1) * self.step + half if index + 1 < self.count else self.length
        return first, last


class RegressionDetector:
    """He & Liu 2020, step 1, on engines of static shape.

    With ``shaped``, which makes an engine of any height × width (some 20 ms at the first frame of a
    size, which counts as its time), a frame is one run at its own size, to the next multiple_px;
    one of more than RUN_SIDE_PX along a side is cut into equal tiles that overlap. Without it every
    run has the manifest's shape: a smaller frame is reflected at its right and bottom, a larger one
    cut into tiles of that shape. Owns no thread; one thread at a time. Raises BundleError when an
    engine's shapes are not what it was asked for.
    """

    def __init__(
        self,
        engine: Engine,
        manifest: DetectorManifest,
        *,
        scale: float,
        zero_point: int = 0,
        shaped: Callable[[int, int], Engine] | None = None,
    ) -> None:
        """severity = scale * (value - zero_point) of the engine's output. shaped: an engine of
        height × width."""
        self._manifest = manifest
        self._scale, self._zero_point = scale, zero_point
        self._whole = (manifest.height, manifest.width)
        _require_shapes(engine, manifest, self._whole)
        self._engine = engine
        self._shaped = shaped
        self._made: OrderedDict[tuple[int, int], Engine] = OrderedDict()
        self._stitched = np.empty((0, 0), np.uint8)
        self._engine_for(1, 1)  # a network that takes no other shape is found here

    def detect(self, pixels: NDArray[np.uint8]) -> SeverityMap:
        manifest = self._manifest
        pixels = as_channels(pixels, manifest.channels)
        height, width = pixels.shape[:2]
        if min(height, width) < MIN_SIDE_PX:
            raise FrameError(f"{width}×{height} px; expected at least {MIN_SIDE_PX}×{MIN_SIDE_PX}")
        stride = manifest.stride_px
        engine = self._engine_for(height, width)
        rows, cols = engine.input.shape[1:3]
        if height <= rows and width <= cols:
            cells = self._run(engine, pixels)[: -(-height // stride), : -(-width // stride)]
        else:
            cells = self._tiled(engine, pixels)
        return SeverityMap(cells, self._scale, self._zero_point, stride)  # type: ignore[arg-type]

    def _engine_for(self, height: int, width: int) -> Engine:
        """The engine for a frame of this size, or for its tiles."""
        if self._shaped is None:
            return self._engine
        shape = self._run_side(height, self._whole[0]), self._run_side(width, self._whole[1])
        if shape == self._whole:
            return self._engine
        made = self._made.get(shape)
        if made is None:
            made = self._shaped(*shape)
            _require_shapes(made, self._manifest, shape)
            self._made[shape] = made
            if len(self._made) > KEPT_ENGINES:
                self._made.popitem(last=False)
        self._made.move_to_end(shape)
        return made

    def _run_side(self, length: int, usual: int) -> int:
        """A side of one run: the frame's, or that of as few equal tiles as RUN_SIDE_PX allows."""
        multiple, overlap = self._manifest.multiple_px, self._manifest.overlap_px
        most = max(usual, RUN_SIDE_PX // multiple * multiple)
        tiles = 1 if length <= most else -(-(length - overlap) // (most - overlap))
        side = -(-(length + (tiles - 1) * overlap) // tiles)
        return max(-(-side // multiple), MIN_MULTIPLES) * multiple

    def _run(self, engine: Engine, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        """One run; the whole output plane, also of what was reflected."""
        target = engine.input[0]
        view = pixels if pixels.ndim == 3 else pixels[:, :, None]
        down, right = target.shape[0] - view.shape[0], target.shape[1] - view.shape[1]
        if down or right:
            cv2.copyMakeBorder(view, 0, down, 0, right, cv2.BORDER_REFLECT_101, dst=target)
        else:
            np.copyto(target, view)
        stride = self._manifest.stride_px
        cells: NDArray[np.generic] = engine.run()[0]
        return cells.reshape(target.shape[0] // stride, target.shape[1] // stride)

    def _tiled(self, engine: Engine, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        manifest, stride = self._manifest, self._manifest.stride_px
        height, width = pixels.shape[:2]
        overlap, multiple = manifest.overlap_px, manifest.multiple_px
        tile_height, tile_width = engine.input.shape[1:3]
        rows = _Grid.over(height, tile_height, overlap, multiple)
        cols = _Grid.over(width, tile_width, overlap, multiple)
        shape = (-(-height // stride), -(-width // stride))
        for row in range(rows.count):
            top, bottom = rows.kept(row, stride)
            for col in range(cols.count):
                left, right = cols.kept(col, stride)
                y, x = rows.start(row), cols.start(col)
                cells = self._run(engine, pixels[y : y + rows.size, x : x + cols.size])
                if self._stitched.shape != shape or self._stitched.dtype != cells.dtype:
                    self._stitched = np.empty(shape, cells.dtype)  # once per frame size
                target = self._stitched[
                    top // stride : -(-bottom // stride), left // stride : -(-right // stride)
                ]
                offset_y, offset_x = (top - y) // stride, (left - x) // stride
                target[...] = cells[
                    offset_y : offset_y + target.shape[0], offset_x : offset_x + target.shape[1]
                ]
        return self._stitched


def _require_shapes(engine: Engine, manifest: DetectorManifest, shape: tuple[int, int]) -> None:
    height, width = shape
    wanted = (1, height, width, manifest.channels)
    if engine.input.shape != wanted:
        raise BundleError(f"the detector takes {engine.input.shape}; expected {wanted}")
    stride = manifest.stride_px
    cells, plane = engine.run().shape, (height // stride, width // stride)
    if tuple(side for side in cells if side != 1) != tuple(side for side in plane if side != 1):
        raise BundleError(f"the detector gives {cells}; expected one plane of {plane}")


def as_channels(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Grey as H×W, colour as H×W×3; converts (OpenCV's BGR weights) only where it must.

    Raises FrameError for anything but uint8 H×W, H×W×1 or H×W×3.
    """
    if pixels.dtype != np.uint8:
        raise FrameError(f"pixels are {pixels.dtype}; expected 8 bits per channel")
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)) or not pixels.size:
        raise FrameError(f"pixels have shape {pixels.shape}; expected H×W or H×W×3")
    if channels == 1 and pixels.ndim == 3:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    if channels == 3 and pixels.ndim == 2:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    return pixels
