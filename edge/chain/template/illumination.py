"""Illumination that varies slowly over a part, relative to the golden image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.chain.template.alignment import Plane, Reals, bilinear, saturated
from edge.chain.template.registration import Pose

SIDE = 24  # cells per side on which the light is compared; enough for a quadratic field
ROUNDS = 4  # each round leaves out the outliers of the round before
OUTLYING = 2.5  # robust standard deviations (1.4826 · median) from which a cell is an outlier
LEAST_GAIN, MOST_GAIN = 0.3, 3.0


class Illumination:
    """The fit of a gain field and an offset: frame = gain(x, y) · golden + offset.

    gain is a quadratic in x and y. The fit is least squares on cell averages, repeated without
    outliers. So a defect, which is small against the frame, does not change the result. One thread
    at a time may use it.
    """

    def __init__(self, golden: Plane) -> None:
        """golden: one level of the pyramid of the golden image, float32 h×w."""
        self._shape = golden.shape
        rows, cols = (np.linspace(0, side - 1, min(SIDE, side)).round() for side in golden.shape)
        self._x, self._y = (each.ravel() for each in np.meshgrid(cols, rows))
        self._blur = max(golden.shape) // SIDE | 1
        self._golden = bilinear(self._blurred(golden), self._x, self._y)[0]

    def field(self, plane: Plane, pose: Pose, step: tuple[float, float]) -> tuple[Plane, float]:
        """Return the gain on a coarse grid over the frame, float32 SIDE×SIDE, and the offset.

        plane: the frame at the same pyramid level. step: full pixels per pixel of this level, along
        x and y.
        """
        height, width = self._shape
        centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
        x, y = (self._x - centre_x) * step[0], (self._y - centre_y) * step[1]
        seen_x = (pose.linear[0, 0] * x + pose.linear[0, 1] * y + pose.shift[0]) / step[0]
        seen_y = (pose.linear[1, 0] * x + pose.linear[1, 1] * y + pose.shift[1]) / step[1]
        values, inside = bilinear(self._blurred(plane), seen_x + centre_x, seen_y + centre_y)
        inside &= ~saturated(values, self._golden)
        terms = _terms(seen_x / width * 2.0, seen_y / height * 2.0)
        columns = np.column_stack([terms * self._golden[:, None], np.ones(len(values))])
        start = np.zeros(7)
        start[0], start[6] = pose.gain, pose.offset
        solution = _robust(columns, values, inside, start)
        side = (np.arange(SIDE) + 0.5) * (2.0 / SIDE) - 1.0
        grid_x, grid_y = np.meshgrid(side, side)
        gain = (_terms(grid_x.ravel(), grid_y.ravel()) @ solution[:6]).reshape(SIDE, SIDE)
        return gain.clip(LEAST_GAIN, MOST_GAIN).astype(np.float32), float(solution[6])

    def _blurred(self, plane: Plane) -> Plane:
        return np.asarray(cv2.blur(plane, (self._blur, self._blur)), np.float32)


def _terms(x: Reals, y: Reals) -> Reals:
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)


def _robust(columns: Reals, values: Reals, inside: NDArray[np.bool_], start: Reals) -> Reals:
    """Return a robust least-squares solution.

    Terms that the cells do not determine stay near ``start``.
    """
    if int(inside.sum()) < 2 * len(start):
        return start
    scale = np.linalg.norm(columns[inside], axis=0) + 1e-9
    used, solution = inside, start
    for _ in range(ROUNDS):
        residuals = values - columns @ solution
        size = np.abs(residuals)
        limit = OUTLYING * 1.4826 * float(np.median(size[inside])) + 1.0
        used = inside & (size <= limit)
        system = columns[used] / scale
        square = system.T @ system + np.eye(len(start)) * 1e-3
        solution = solution + np.linalg.solve(square, system.T @ residuals[used]) / scale
    return np.asarray(solution, np.float64)
