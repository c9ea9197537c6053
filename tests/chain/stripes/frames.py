"""Frames with a defect on every edge of every stripe, and their map by one run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import DetectorManifest
from edge.chain.stripes.detector import StripedDetector, StripeNetwork
from edge.chain.stripes.onnx_reach import onnx_reach
from edge.chain.stripes.plan import StripePlan
from edge.chain.stripes.reach import cell_reach
from edge.engines.engine import Engine
from edge.engines.ort import OrtEngine

Pixels = NDArray[np.uint8]


def surface(height: int, width: int, channels: int = 1, seed: int = 0) -> Pixels:
    """Return a surface with grain in two sizes, uint8 H×W or H×W×3."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    fine = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    return np.asarray(cv2.addWeighted(fine, 0.3, cv2.GaussianBlur(fine, (0, 0), 3), 0.7, 0))


def with_defects(pixels: Pixels, plan: StripePlan, stride_px: int) -> Pixels:
    """Return a copy with a pit on every corner of the cells that a stripe answers for, one on every
    corner of its pixels, and a scratch across all of them."""
    drawn = pixels.copy()
    height, width = pixels.shape[:2]
    for stripe in plan:
        ys = (stripe.rows.start, stripe.rows.start + plan.height, stripe.rows.last * stride_px)
        xs = (stripe.cols.start, stripe.cols.start + plan.width, stripe.cols.last * stride_px)
        for number, (y, x) in enumerate((y, x) for y in ys for x in xs):
            cv2.circle(drawn, (x, y), 2 + number, (255 * (number % 2),) * 3, -1)
    cv2.line(drawn, (0, 0), (width - 1, height - 1), (0, 0, 0), 3)
    return drawn


def whole_map(
    shaped: Callable[[int, int], Engine], pixels: Pixels, multiple_px: int, stride_px: int
) -> NDArray[np.generic]:
    """Return the map of one run over the whole frame, which is reflected at right and bottom."""
    height, width = pixels.shape[:2]
    rows, cols = (-(-side // multiple_px) * multiple_px for side in (height, width))
    engine = shaped(rows, cols)
    extended = cv2.copyMakeBorder(pixels, 0, rows - height, 0, cols - width, cv2.BORDER_REFLECT_101)
    engine.input[...] = extended.reshape(engine.input.shape)
    cells = engine.run()[0].reshape(rows // stride_px, cols // stride_px)
    return cells[: -(-height // stride_px), : -(-width // stride_px)].copy()


class _Grid(Protocol):
    @property
    def multiple_px(self) -> int: ...
    @property
    def stride_px(self) -> int: ...


def stripes_of(data: bytes, network: _Grid) -> StripeNetwork:
    """Return an ONNX network of grey frames for stripes. network: what it was traced from."""
    multiple = network.multiple_px
    spec = DetectorManifest(
        network="any",
        channels=1,
        height=8 * multiple,
        width=8 * multiple,
        overlap_px=multiple,
        multiple_px=multiple,
        stride_px=network.stride_px,
    )
    rows, cols = (cell_reach(side, spec.stride_px) for side in onnx_reach(data).sides)

    def shaped(height: int, width: int) -> OrtEngine:
        return OrtEngine(data, batch=1, height=height, width=width, channels=1)

    return StripeNetwork(spec, shaped, rows, cols, 1.0)


def require_equal(
    network: StripeNetwork, detector: StripedDetector, pixels: Pixels, *, least_values: int = 20
) -> StripePlan:
    """Compare the map in stripes with that of one run, with defects on the edges. Return the plan.

    least_values: so many different values the map must have, because an empty map proves nothing.
    """
    manifest = network.manifest
    plan = detector.plan(*pixels.shape[:2])
    assert len(plan) > 1
    drawn = with_defects(pixels, plan, manifest.stride_px)
    wanted = whole_map(network.shaped, drawn, manifest.multiple_px, manifest.stride_px)
    found = detector.detect(drawn).values
    assert found.dtype == wanted.dtype
    assert len(np.unique(wanted)) >= least_values
    differ = np.argwhere(found != wanted)
    assert differ.size == 0, f"{len(differ)} cells differ, the first {differ[0]}"
    return plan
