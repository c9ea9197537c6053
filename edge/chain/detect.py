"""Step 1: frame to severity map, with a regression network.

Source: He & Liu 2020 (IEEE Access 8:35583), section III.C.1. Other detectors are in the packages
template and threshold.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import DetectorManifest
from edge.bundle.kinds import ONE_SIZE_KINDS
from edge.engines.engine import Engine
from edge.errors import BundleError, FrameError
from edge.records import SeverityMap

# A frame with a smaller side is refused, because PASS would be a guess. 16 px is one cell of the
# coarsest stage of the lean network.
MIN_SIDE_PX = 16
# A network that accepts any shape takes a frame below RUN_PX pixels in one run, as training does: a
# cell near the edge of a tile sees padding where the surface goes on. A larger frame that cannot be
# cut into stripes is cut into tiles with sides of at most TILE_SIDE_PX, because of the memory.
RUN_PX = 3_000_000
TILE_SIDE_PX = 1024
# Engines for other shapes that are kept. A line has one size of frame, a folder many.
KEPT_ENGINES = 4
# The export traces graphs for sides of at least two multiples of multiple_px.
MIN_MULTIPLES = 2


class Detector(Protocol):
    """A step that calculates the severity of each cell of a frame."""

    def detect(self, pixels: NDArray[np.uint8]) -> SeverityMap:
        """Return the severity map of a frame. It is valid until the next call. Blocks.

        pixels: uint8 H×W or H×W×3 (BGR). Raises FrameError for another dtype or shape, or for a
        size that the detector cannot inspect.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Grid:
    """The tiles along one axis, ``step`` pixels apart.

    The last tile is moved back to the end of the frame, rounded to ``multiple``, the grid of the
    network. So it sees real surface and not a reflection. Each tile answers for the cells up to the
    middle of an overlap; beyond it the neighbour sees more of the surroundings.
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
        """Return the pixel of the frame at which tile ``index`` begins."""
        last = -(-max(self.length - self.size, 0) // self.multiple) * self.multiple
        return min(index * self.step, last)

    def covered(self, index: int, stride: int) -> tuple[int, int]:
        """Return the first and the last (exclusive) pixel that tile ``index`` answers for."""
        half = (self.size - self.step) // 2 // stride * stride
        first = index * self.step + half if index else 0
        last = (index + 1) * self.step + half if index + 1 < self.count else self.length
        return first, last


class RegressionDetector:
    """The detector of He & Liu 2020, section III.C.1, on engines of static shape.

    With ``shaped`` a frame is one run at its own size, rounded up to multiple_px. A frame of
    ``run_px`` pixels or more is cut into equal tiles that overlap. The first frame of a size takes
    about 20 ms more, because its engine is made then.

    Without ``shaped`` every run has the shape in the manifest. A smaller frame is extended by
    reflection at its right and bottom; a larger one is cut into tiles of that shape.

    A network with a decision head also gives the score of the part. Of a frame in tiles it is the
    largest score of a tile.

    It starts no thread; one thread at a time may use it. Raises BundleError when the shapes of an
    engine do not match the manifest.
    """

    def __init__(
        self,
        engine: Engine,
        manifest: DetectorManifest,
        *,
        scale: float,
        zero_point: int = 0,
        shaped: Callable[[int, int], Engine] | None = None,
        run_px: int = RUN_PX,
    ) -> None:
        """Check the shapes of the engine, with one run.

        scale, zero_point: severity = scale · (value − zero_point) of the engine's output. shaped:
        returns an engine for the given height and width in pixels. run_px: number of pixels from
        which a frame is cut into tiles.
        """
        self._manifest = manifest
        self._scale, self._zero_point = scale, zero_point
        self._whole = (manifest.height, manifest.width)
        _require_shapes(engine, manifest, self._whole)
        self._engine = engine
        self._shaped = shaped
        self._run_px = run_px
        self._made: OrderedDict[tuple[int, int], Engine] = OrderedDict()
        self._stitched = np.empty((0, 0), np.uint8)
        self._part: float | None = None  # the stored score of the part, of the runs so far
        self._engine_for(1, 1)  # raises for a network that accepts no other shape

    def detect(self, pixels: NDArray[np.uint8]) -> SeverityMap:
        manifest = self._manifest
        pixels = as_channels(pixels, manifest.channels)
        height, width = pixels.shape[:2]
        if min(height, width) < MIN_SIDE_PX:
            raise FrameError(f"{width}×{height} px; expected at least {MIN_SIDE_PX}×{MIN_SIDE_PX}")
        if manifest.kind in ONE_SIZE_KINDS:
            _require_size(height, width, manifest)
        stride = manifest.stride_px
        engine = self._engine_for(height, width)
        rows, cols = engine.input.shape[1:3]
        self._part = None
        if height <= rows and width <= cols:
            cells = self._run(engine, pixels)[: -(-height // stride), : -(-width // stride)]
        else:
            cells = self._tiled(engine, pixels)
        severity = SeverityMap(cells, self._scale, self._zero_point, stride)  # type: ignore[arg-type]
        if self._part is None:
            return severity
        return replace(severity, part_score=severity.severity(self._part))

    def _engine_for(self, height: int, width: int) -> Engine:
        """Return the engine for a frame of this size, or for its tiles."""
        if self._shaped is None:
            return self._engine
        is_tiled = height * width >= self._run_px
        shape = (
            self._run_side(height, self._whole[0], is_tiled=is_tiled),
            self._run_side(width, self._whole[1], is_tiled=is_tiled),
        )
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

    def _run_side(self, length: int, usual: int, *, is_tiled: bool) -> int:
        """Return the side of one run: of the whole frame, or of as few equal tiles as possible."""
        multiple, overlap = self._manifest.multiple_px, self._manifest.overlap_px
        most = max(usual, TILE_SIDE_PX // multiple * multiple)
        tiles = 1 if length <= most or not is_tiled else -(-(length - overlap) // (most - overlap))
        side = -(-(length + (tiles - 1) * overlap) // tiles)
        return max(-(-side // multiple), MIN_MULTIPLES) * multiple

    def _run(self, engine: Engine, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        """Return the output plane of one run, including the reflected part.

        The score of the part is the largest of all runs of a frame.
        """
        target = engine.input[0]
        view = pixels if pixels.ndim == 3 else pixels[:, :, None]
        down, right = target.shape[0] - view.shape[0], target.shape[1] - view.shape[1]
        if down or right:
            cv2.copyMakeBorder(view, 0, down, 0, right, cv2.BORDER_REFLECT_101, dst=target)
        else:
            np.copyto(target, view)
        stride = self._manifest.stride_px
        cells: NDArray[np.generic] = engine.run()[0]
        if self._manifest.part_score:
            cells, part = cells[:-1], float(cells[-1])
            # np.maximum keeps a NaN, which the decision refuses.
            self._part = part if self._part is None else float(np.maximum(self._part, part))
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
            top, bottom = rows.covered(row, stride)
            for col in range(cols.count):
                left, right = cols.covered(col, stride)
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
        raise BundleError(f"the input of the detector is {engine.input.shape}; expected {wanted}")
    stride = manifest.stride_px
    cells, plane = engine.run().shape, (height // stride, width // stride)
    if manifest.part_score:
        if cells != (1, plane[0] * plane[1] + 1):
            raise BundleError(
                f"the output of the detector is {cells}; expected the cells of a plane of {plane} "
                "and one score, in one row"
            )
        return
    if tuple(side for side in cells if side != 1) != tuple(side for side in plane if side != 1):
        raise BundleError(f"the output of the detector is {cells}; expected one plane of {plane}")


def _require_size(height: int, width: int, manifest: DetectorManifest) -> None:
    """Raise FrameError for a frame that is not of the size of a run, rounded up to multiple_px."""
    multiple = manifest.multiple_px
    rounded = tuple(-(-side // multiple) * multiple for side in (height, width))
    if rounded != (manifest.height, manifest.width):
        raise FrameError(
            f"{width}×{height} px; expected {manifest.width}×{manifest.height} px, or less than "
            f"{multiple} px fewer a side, because the network compares place by place"
        )


def as_channels(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Return pixels with this number of channels: grey as H×W, colour as H×W×3 (BGR), uint8.

    It converts only where necessary, with OpenCV's weights for BGR. Raises FrameError for another
    dtype or shape than uint8 H×W, H×W×1 or H×W×3.
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
