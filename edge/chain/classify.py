"""Step 4: Regions → Defects. Blocks, window doubling, majority vote, background rejected."""

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
KEEP_NONE = 12.0  # keep_severity: all that the majority calls background is dropped


class Classifier(Protocol):
    """Names regions."""

    def classify(
        self, pixels: NDArray[np.uint8], regions: tuple[Region, ...]
    ) -> tuple[Defect | Dropped, ...]:
        """One answer per region, in order; Dropped where the region is background."""
        ...


class BlockVote:
    """He & Liu 2020, section III.C.2, on an engine that takes size×size blocks.

    All blocks of a frame go through in as few runs as the engine's batch allows. Owns no thread;
    one thread at a time. Raises BundleError when the engine's shapes are not those of the kinds,
    and ``classify`` FrameError when a score is not a number: that is not background.
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
        """keep_severity: a region is dropped only where its peak severity, times what the blocks'
        mean background score leaves, is below this; KEEP_NONE leaves it to the majority alone,
        which is the paper's rule."""
        if engine.input.shape[1:] != (size_px, size_px, channels):
            raise BundleError(
                f"the classifier takes {engine.input.shape[1:]}; "
                f"expected {(size_px, size_px, channels)}"
            )
        scores = engine.run(1)
        if scores.shape != (1, len(kinds) + 1) or scores.dtype != np.float32:
            raise BundleError(
                f"the classifier gives {scores.dtype} {scores.shape}; expected float32 scores of "
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
        """Of each region's blocks: float32 regions × BLOCKS_PER_REGION × (1 + kinds), sum 1."""
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
            raise FrameError("the classifier's score is not a number (NaN)")
        return scores.reshape(len(regions), BLOCKS_PER_REGION, scores.shape[1])

    def _name(self, region: Region, scores: NDArray[np.float32]) -> Defect | Dropped:
        label = majority(scores)
        doubt = float(scores[:, BACKGROUND].mean())
        if label == BACKGROUND:
            if believed(region, doubt) < self._keep_severity:
                return Dropped(region, doubt)
            label = 1 + majority(scores[:, 1:])
        kind = self._kinds[label - 1]
        return Defect(region, kind.name, float(scores[:, label].mean()), kind.guidance, doubt)


class Unnamed:
    """For bundles without a classifier: every region is a defect of the one kind there is."""

    def __init__(self, kinds: tuple[KindManifest, ...]) -> None:
        self._kind = kinds[0] if len(kinds) == 1 else KindManifest(name=UNNAMED)

    def classify(
        self, pixels: NDArray[np.uint8], regions: tuple[Region, ...]
    ) -> tuple[Defect | Dropped, ...]:
        return tuple(Defect(r, self._kind.name, 1.0, self._kind.guidance) for r in regions)


def believed(region: Region, doubt: float) -> float:
    """Peak severity times the share of belief that the region is a defect: detector and classifier
    are two opinions, and a region that both hold for a defect counts before one that one does."""
    return region.peak_severity * (1.0 - doubt)


def block_windows(box: Box, size_px: int) -> tuple[Box, ...]:
    """The five square windows by which a region is judged, in frame pixels, maybe over its edge.

    "If the window is not large enough to hold the defect, we double the window size" (section
    III.C.2): the side is size_px, doubled until box fits. The window slides about the box's centre:
    there, and a quarter of its side off along each diagonal. The paper gives no step; five votes
    cannot tie between two labels, and a quarter keeps at least half of the region in view.
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
    """The window's pixels, reduced (area average) to size_px × size_px.

    A window over the frame's edge is moved inside; where the frame is smaller than the window, the
    frame's edge pixels are repeated. A shift keeps real surface in view, repeating does not.
    """
    height, width = pixels.shape[:2]
    side = window.width
    left = min(max(window.left, 0), max(width - side, 0))
    top = min(max(window.top, 0), max(height - side, 0))
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


def majority(scores: NDArray[np.float32]) -> int:
    """The label most blocks have; a tie goes to the larger sum of scores. scores: blocks×labels."""
    votes = np.bincount(scores.argmax(1), minlength=scores.shape[1])
    tied = np.flatnonzero(votes == votes.max())
    return int(tied[scores[:, tied].sum(0).argmax()])


def softmax(logits: NDArray[np.generic]) -> NDArray[np.float32]:
    """Along the last axis, float32."""
    values = np.asarray(logits, np.float32)
    raised = np.exp(values - values.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True), np.float32)
