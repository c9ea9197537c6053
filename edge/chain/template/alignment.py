"""Alignment of a frame with a golden image at one pyramid level, by Gauss-Newton on steep points.

Source: Baker & Matthews 2004, "Lucas-Kanade 20 Years On", parts 1 and 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Reals = NDArray[np.float64]

MOST_POINTS = 3000  # one per block of equal size, so that the points are spread over the part
LEAST_STEEPNESS = 3.0  # grey levels per pixel; a smaller slope is camera noise
LEAST_INSIDE = 0.25  # smallest share of points in view for a result
LEAST_GAIN, MOST_GAIN = 0.3, 3.0  # a gain beyond these is another illumination
BLACK, WHITE = 1.0, 254.0  # grey levels at which a camera saturates
DAMPING = 1e-3  # of the largest curvature; it keeps the rotation of a round part bounded


@dataclass(frozen=True, slots=True)
class FittedPose:
    """A fitted pose; the fields are those of Pose (edge/chain/template/registration.py)."""

    linear: Reals
    shift: Reals
    gain: float
    offset: float
    match: float


class SteepPoints:
    """The steep points of a golden image at one pyramid level, and the fit of a frame to them.

    The fit is inverse compositional Gauss-Newton for a similarity (Baker & Matthews 2004, parts 1
    and 3). Coordinates are pixels of full resolution from the centre of the picture.
    count: number of steep points. step: full pixels per pixel of this level, along x and y.
    """

    def __init__(self, plane: Plane, step: tuple[float, float]) -> None:
        """Choose the points. plane: the golden image at this level, float32 h×w."""
        self.plane = plane
        self.step = step
        steep, plain, slope_x, slope_y = _choose(plane)
        self.count = len(steep)
        height, width = plane.shape
        self._centre = (width - 1) / 2, (height - 1) / 2
        rows, cols = np.divmod(np.concatenate([steep, plain]), width)
        self._x = (cols - self._centre[0]) * step[0]
        self._y = (rows - self._centre[1]) * step[1]
        self._golden = plane[rows, cols].astype(np.float64)
        # A point agrees within one pixel of this level, plus the texture of the surface.
        dark, bright = np.percentile(self._golden, [5, 95])
        grain = 0.05 * float(bright - dark)
        self._limit = np.full(len(rows), grain)
        self._limit[: self.count] += np.hypot(slope_x, slope_y)
        self._reach = 0.5 * math.hypot(width * step[0], height * step[1])
        if self.count:
            self._descent = self._descend(slope_x / step[0], slope_y / step[1])

    def _descend(self, slope_x: Reals, slope_y: Reals) -> Reals:
        """Return a 4×N matrix: residuals to changes of (scale, rotation) × reach and shift."""
        x = self._x[: self.count] / self._reach
        y = self._y[: self.count] / self._reach
        images = np.stack(
            [slope_x * x + slope_y * y, slope_y * x - slope_x * y, slope_x, slope_y], axis=1
        )
        light = np.stack([self._golden[: self.count], np.ones(self.count)], axis=1)
        images -= light @ np.linalg.lstsq(light, images, rcond=None)[0]
        curvature = images.T @ images
        curvature += np.eye(4) * DAMPING * float(np.linalg.eigvalsh(curvature)[-1])
        return np.asarray(np.linalg.solve(curvature, images.T), np.float64)

    def fit(
        self, plane: Plane, linear: Reals, shift: Reals, *, rounds: int, still_px: float
    ) -> FittedPose | None:
        """Return the pose nearest to the start pose (linear 2×2, shift in full pixels), or None.

        None: too few points are in view, or the gain is outside LEAST_GAIN to MOST_GAIN. plane: the
        frame at this level, float32, of the same shape. rounds: largest number of iterations.
        still_px: the iteration ends when the change is smaller, in pixels of this level.
        """
        count = self.count
        inlying = np.ones(len(self._golden), np.bool_)
        for _ in range(rounds):
            fit = self._residuals(plane, linear, shift, inlying)
            if fit is None:
                return None
            residuals, inside = fit[:2]
            size = np.abs(residuals)
            # Three times the limit, so that points that lie a little off still give the direction.
            inlying = inside & (size <= 3.0 * self._limit)
            most = 2.0 * self._limit[:count]
            change = self._descent @ np.where(
                inside[:count], residuals[:count].clip(-most, most), 0.0
            )
            grow, turn = change[:2] / self._reach
            inverse = np.linalg.inv(np.array([[1.0 + grow, -turn], [turn, 1.0 + grow]]))
            linear = linear @ inverse
            shift = shift - linear @ change[2:]
            if float(np.abs(change).sum()) < still_px * min(self.step):
                break
        fit = self._residuals(plane, linear, shift, inlying)
        if fit is None:
            return None
        residuals, inside, gain, offset = fit
        if not LEAST_GAIN < gain < MOST_GAIN:
            return None
        agreeing = (inside & (np.abs(residuals) <= self._limit))[:count]
        match = int(agreeing.sum()) / int(inside[:count].sum())
        return FittedPose(linear, shift, gain, offset, match)

    def _residuals(
        self, plane: Plane, linear: Reals, shift: Reals, inlying: NDArray[np.bool_]
    ) -> tuple[Reals, NDArray[np.bool_], float, float] | None:
        """Return residuals in grey levels of the golden image, points in view, gain, offset.

        Return None where too few points are in view.
        """
        x = linear[0, 0] * self._x + linear[0, 1] * self._y + shift[0]
        y = linear[1, 0] * self._x + linear[1, 1] * self._y + shift[1]
        values, inside = bilinear(
            plane, x / self.step[0] + self._centre[0], y / self.step[1] + self._centre[1]
        )
        if int(inside[: self.count].sum()) < LEAST_INSIDE * self.count:
            return None
        usable = inside & ~saturated(values, self._golden)
        used = usable & inlying
        if int(used.sum()) < LEAST_INSIDE * len(used):
            used = usable if usable.any() else inside
        golden, frame = self._golden[used], values[used]
        centred = golden - golden.mean()
        gain = float(centred @ (frame - frame.mean())) / max(float(centred @ centred), 1e-9)
        gain = min(max(gain, LEAST_GAIN), MOST_GAIN)
        offset = float(frame.mean() - gain * golden.mean())
        return (values - offset) / gain - self._golden, inside, gain, offset


def saturated(values: Reals, golden: Reals) -> NDArray[np.bool_]:
    """Return True where the frame is saturated and the golden image is not, so it has no level."""
    return ((values >= WHITE) & (golden < WHITE)) | ((values <= BLACK) & (golden > BLACK))


def bilinear(plane: Plane, x: Reals, y: Reals) -> tuple[Reals, NDArray[np.bool_]]:
    """Return the values at pixel coordinates, and a mask of those inside the plane.

    Coordinate 0 is the centre of the first pixel. A place outside has the value of the nearest
    pixel. This uses numpy, because OpenCV rounds places to 1/32 px.
    """
    height, width = plane.shape
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    x, y = x.clip(0, width - 1.001), y.clip(0, height - 1.001)
    col, row = x.astype(np.intp), y.astype(np.intp)
    x, y = x - col, y - row
    flat, index = plane.ravel(), row * width + col
    above = flat[index] * (1.0 - x) + flat[index + 1] * x
    index += width
    below = flat[index] * (1.0 - x) + flat[index + 1] * x
    return above * (1.0 - y) + below * y, inside


def _choose(plane: Plane) -> tuple[NDArray[np.intp], NDArray[np.intp], Reals, Reals]:
    """Return the steepest and the plainest pixel of equal blocks, and the slopes of the steep ones.

    Pixels are indices into the flattened plane. A block without a steep pixel has only a plain one,
    which serves to measure the light. Slopes are along x and y, in grey levels per pixel.
    """
    slope_x = np.asarray(cv2.Scharr(plane, cv2.CV_32F, 1, 0, scale=1 / 32), np.float64)
    slope_y = np.asarray(cv2.Scharr(plane, cv2.CV_32F, 0, 1, scale=1 / 32), np.float64)
    steepness = np.hypot(slope_x, slope_y)[
        1:-1, 1:-1
    ]  # a pixel at the rim has no neighbour on one side
    height, width = plane.shape
    side = max(math.ceil(math.sqrt(height * width / MOST_POINTS)), 2)
    rows, cols = (height - 2) // side, (width - 2) // side
    inner = steepness[: rows * side, : cols * side].reshape(rows, side, cols, side)
    blocks = inner.transpose(0, 2, 1, 3).reshape(rows * cols, side * side)
    corner = (np.arange(rows)[:, None] * side * width + np.arange(cols) * side).ravel() + width + 1

    def index(within: NDArray[np.intp]) -> NDArray[np.intp]:
        return np.asarray(corner + within // side * width + within % side, np.intp)

    most = blocks.max(1)
    is_steep = most >= max(LEAST_STEEPNESS, 0.1 * float(np.percentile(most, 99)))
    steep = index(blocks.argmax(1))[is_steep]
    plain = index(blocks.argmin(1))
    return steep, plain, slope_x.ravel()[steep], slope_y.ravel()[steep]
