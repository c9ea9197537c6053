"""Step 4: regions to defects. Each region is classified by the majority of its blocks.

Source: He & Liu 2020 (IEEE Access 8:35583), section III.C.2: square windows, doubled in size until
they hold the region, and a vote. Regions that are background are dropped.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import KindManifest
from edge.chain.detect import as_channels
from edge.engines.engine import Engine
from edge.errors import BundleError, FrameError
from edge.records import Box, Defect, Dropped, Region

BACKGROUND = 0
BLOCKS_PER_REGION = 5
UNNAMED = "defect"
# A larger window is reduced band by band: a window around a scratch through a frame of
# 8192×12800 px has 268 MB.
_BANDED_FROM_PX = 2048
KEEP_NONE = (
    12.0  # keep_severity with which every region is dropped that the majority calls background
)


class Classifier(Protocol):
    """A step that assigns a kind to each region, or drops the region as background."""

    def classify(
        self, pixels: NDArray[np.uint8], regions: tuple[Region, ...]
    ) -> tuple[Defect | Dropped, ...]:
        """Return a Defect for each region, in order, or Dropped where it is background.

        pixels: uint8 H×W or H×W×3 (BGR), the whole frame. Blocks.
        """
        ...


class BlockVote:
    """The classifier of He & Liu 2020, section III.C.2, on an engine for size×size blocks.

    All blocks of a frame use as few runs as the batch of the engine allows. It starts no thread;
    one thread at a time may use it.

    Raises BundleError when the shapes of the engine do not match the kinds. ``classify`` raises
    FrameError when a score is not a number (NaN), because that is not background.
    """

    def __init__(
        self,
        engine: Engine,
        size_px: int,
        channels: int,
        kinds: tuple[KindManifest, ...],
        *,
        keep_severity: float = KEEP_NONE,
    ) -> None:
        """Check the shapes of the engine, with one run.

        size_px: side of a block. channels: 1 or 3. keep_severity: a region whose blocks vote for
        background is dropped only if ``discounted_severity`` is below this value. KEEP_NONE drops
        it always, which is the rule of the paper.
        """
        if engine.input.shape[1:] != (size_px, size_px, channels):
            raise BundleError(
                f"the input of the classifier is {engine.input.shape[1:]}; "
                f"expected {(size_px, size_px, channels)}"
            )
        scores = engine.run(1)
        if scores.shape != (1, len(kinds) + 1) or scores.dtype != np.float32:
            raise BundleError(
                f"the output of the classifier is {scores.dtype} {scores.shape}; expected "
                "float32 scores of "
                f"background and {len(kinds)} kinds"
            )
        self._engine = engine
        self._size_px = size_px
        self._channels = channels
        self._kinds = kinds
        self._keep_severity = keep_severity

    def classify(
        self, pixels: NDArray[np.uint8], regions: tuple[Region, ...]
    ) -> tuple[Defect | Dropped, ...]:
        votes = self.scores(pixels, regions)
        return tuple(self._name(region, vote) for region, vote in zip(regions, votes, strict=True))

    def scores(self, pixels: NDArray[np.uint8], regions: tuple[Region, ...]) -> NDArray[np.float32]:
        """Return the scores of the blocks of each region.

        float32 regions × BLOCKS_PER_REGION × (1 + kinds), each block with the sum 1. Label 0 is
        background. Blocks while the network runs. Raises FrameError.
        """
        pixels = as_channels(pixels, self._channels)
        count = len(regions) * BLOCKS_PER_REGION
        scores = np.empty((count, len(self._kinds) + 1), np.float32)
        batch = self._engine.input
        windows = [
            window for region in regions for window in block_windows(region.box, self._size_px)
        ]
        for start in range(0, count, len(batch)):
            some = windows[start : start + len(batch)]
            for i, window in enumerate(some):
                batch[i] = cut_block(pixels, window, self._size_px).reshape(batch.shape[1:])
            scores[start : start + len(some)] = softmax(self._engine.run(len(some)))
        if not np.isfinite(scores).all():
            raise FrameError("a score of the classifier is not a number (NaN)")
        return scores.reshape(len(regions), BLOCKS_PER_REGION, scores.shape[1])

    def _name(self, region: Region, scores: NDArray[np.float32]) -> Defect | Dropped:
        label = majority(scores)
        doubt = float(scores[:, BACKGROUND].mean())
        if label == BACKGROUND:
            if discounted_severity(region, doubt) < self._keep_severity:
                return Dropped(region, doubt)
            label = 1 + majority(scores[:, 1:])
        kind = self._kinds[label - 1]
        return Defect(region, kind.name, float(scores[:, label].mean()), kind.guidance, doubt)


class SingleKindClassifier:
    """The step for bundles without a classifier: every region is a defect of one kind."""

    def __init__(self, kinds: tuple[KindManifest, ...]) -> None:
        self._kind = kinds[0] if len(kinds) == 1 else KindManifest(name=UNNAMED)

    def classify(
        self, pixels: NDArray[np.uint8], regions: tuple[Region, ...]
    ) -> tuple[Defect | Dropped, ...]:
        return tuple(Defect(r, self._kind.name, 1.0, self._kind.guidance) for r in regions)


def discounted_severity(region: Region, doubt: float) -> float:
    """Return the peak severity times (1 − doubt), 0 to 12.

    doubt: mean background score of the blocks, 0 to 1. So a region that both networks rate as a
    defect ranks before one that only the detector rates so.
    """
    return region.peak_severity * (1.0 - doubt)


def block_windows(box: Box, size_px: int) -> tuple[Box, ...]:
    """Return the five square windows of a region in frame pixels; they may exceed the frame.

    The side is size_px, doubled until the box fits: "If the window is not large enough to hold the
    defect, we double the window size" (He & Liu 2020, section III.C.2). One window lies on the
    centre of the box. The others are shifted by a quarter of the side along each diagonal. The
    paper gives no step. Five votes cannot tie between two labels, and a quarter keeps at least half
    of the region in view.
    """
    side = size_px
    while side < max(box.width, box.height):
        side *= 2
    x, y = (box.left + box.right - side) // 2, (box.top + box.bottom - side) // 2
    quarter = side // 4
    offsets = ((0, 0), (-1, -1), (1, -1), (-1, 1), (1, 1))
    return tuple(
        Box(left, top, left + side, top + side)
        for left, top in ((x + dx * quarter, y + dy * quarter) for dx, dy in offsets)
    )


def cut_block(pixels: NDArray[np.uint8], window: Box, size_px: int) -> NDArray[np.uint8]:
    """Return the pixels of the window, reduced by area average to size_px × size_px, uint8.

    A window that exceeds the frame is moved inside, because that keeps real surface in view. Where
    the frame is smaller than the window, the edge pixels are repeated.
    """
    height, width = pixels.shape[:2]
    side = window.width
    left = min(max(window.left, 0), max(width - side, 0))
    top = min(max(window.top, 0), max(height - side, 0))
    if side > _BANDED_FROM_PX:
        return _cut_in_bands(pixels, top, left, side, size_px)
    block = pixels[top : top + side, left : left + side]
    down, right = side - block.shape[0], side - block.shape[1]
    if down or right:
        block = np.asarray(
            cv2.copyMakeBorder(block, 0, down, 0, right, cv2.BORDER_REPLICATE), np.uint8
        )
    if side != size_px:
        block = np.asarray(
            cv2.resize(block, (size_px, size_px), interpolation=cv2.INTER_AREA), np.uint8
        )
    return block


def _cut_in_bands(
    pixels: NDArray[np.uint8], top: int, left: int, side: int, size_px: int
) -> NDArray[np.uint8]:
    """Return the reduced block of a large window, without a copy of the window.

    side is size_px doubled some times. So each row of the block is the mean of as many whole rows.
    """
    step = side // size_px
    rows: list[NDArray[np.uint8]] = []
    last = pixels.shape[0] - 1
    for first in range(top, top + side, step):
        # Below the frame its last row is repeated.
        band = pixels[min(first, last) : min(first + step, last + 1), left : left + side]
        down, right = step - band.shape[0], side - band.shape[1]
        if down or right:
            band = np.asarray(
                cv2.copyMakeBorder(band, 0, down, 0, right, cv2.BORDER_REPLICATE), np.uint8
            )
        row = cv2.resize(band, (size_px, 1), interpolation=cv2.INTER_AREA)
        rows.append(np.asarray(row, np.uint8))
    return np.concatenate(rows)


def majority(scores: NDArray[np.float32]) -> int:
    """Return the label of most blocks. A tie goes to the larger sum of scores.

    scores: blocks × labels. A label is the index of the largest score of a block.
    """
    votes = np.bincount(scores.argmax(1), minlength=scores.shape[1])
    tied = np.flatnonzero(votes == votes.max())
    return int(tied[scores[:, tied].sum(0).argmax()])


def softmax(logits: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return the softmax along the last axis, float32."""
    values = np.asarray(logits, np.float32)
    raised = np.exp(values - values.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True), np.float32)
