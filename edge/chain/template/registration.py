"""Where a part lies in its frame, against the golden image: shift, rotation, scale, and light.

Coarse to fine. At some 100 px a side a few rotations of the golden image, made once, are compared
with the frame by phase correlation (Kuglin & Hines 1975); the best are refined by Gauss-Newton on a
pyramid (edge/chain/template/alignment.py). All that depends on the golden image alone is worked
out once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.chain.template.alignment import Plane, Points, Reals

COARSE_PX = 128  # the longer side of the coarsest level is at most this
FINE_PX = 256  # the finest level is the last whose half would be shorter than this
# Rotations tried at the start lie so far apart: half of it moves the end of a coarse level's
# diagonal by 1.7 px, which Gauss-Newton still finds its way back from.
STEP_DEG = 2.5
STARTS = 3  # of the rotations
FIXTURE = 0.8  # match of a part that lies as the golden image does: no rotation is tried
TRIAL_ROUNDS = 4  # of each start; the best goes on
ROUNDS = 12  # of Gauss-Newton a level, of which a part in its fixture takes three or four
STILL_PX = 0.02  # a round that moves nothing further, in the level's pixels, is its last

Spectrum = NDArray[np.complexfloating]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a part may lie from where the golden image has it: both ways."""

    rotation_deg: float
    shift_px: float
    scale: float


@dataclass(frozen=True, slots=True)
class Pose:
    """Golden image → frame, both in pixels from their common centre: y = linear @ x + shift.

    frame = gain * golden + offset where they agree. match: of the golden image's steepest points in
    view, the share that is within a pixel of the finest level of where it should be. A good part
    has some 0.9 or more; of DeepPCB's boards the test pictures have 0.77 to 1.0, and of 200 other
    boards 166 have no pose at all and the rest at most 0.75.
    """

    linear: Reals
    shift: Reals
    gain: float = 1.0
    offset: float = 0.0
    match: float = 1.0

    @property
    def rotation_deg(self) -> float:
        return math.degrees(math.atan2(self.linear[1, 0], self.linear[0, 0]))

    @property
    def scale(self) -> float:
        return math.hypot(self.linear[0, 0], self.linear[1, 0])

    def within(self, bounds: Bounds) -> bool:
        """Whether a part may lie like this."""
        return (
            abs(self.rotation_deg) <= bounds.rotation_deg
            and float(np.abs(self.shift).max()) <= bounds.shift_px
            and abs(self.scale - 1.0) <= bounds.scale
        )

    def on_frame(self, height: int, width: int) -> Reals:
        """2×3: lays the golden image on the frame (cv2.warpAffine with WARP_INVERSE_MAP)."""
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        inverse = np.linalg.inv(self.linear)
        return np.column_stack([inverse, centre - inverse @ (self.shift + centre)])

    def on_golden(self, height: int, width: int) -> Reals:
        """2×3: lays the frame on the golden image (cv2.warpAffine with WARP_INVERSE_MAP)."""
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        return np.column_stack([self.linear, self.shift + centre - self.linear @ centre])


STRAIGHT = Pose(np.eye(2), np.zeros(2))


class Registration:
    """Finds the pose of frames against one golden image. One thread at a time; deterministic."""

    def __init__(self, golden: NDArray[np.uint8], bounds: Bounds) -> None:
        """golden: uint8 H×W. Raises ValueError for one without edges to register by."""
        self.bounds = bounds
        height, width = golden.shape
        self._levels = tuple(
            Points(plane, (width / plane.shape[1], height / plane.shape[0]))
            for plane in pyramid(golden)
        )
        if any(level.count < 16 for level in self._levels):
            raise ValueError("the golden image is plain; expected edges to register by")
        plane = self._levels[0].plane
        rows, cols = plane.shape
        window = np.outer(np.hanning(rows + 2)[1:-1], np.hanning(cols + 2)[1:-1])
        self._window = window.astype(np.float32)
        count = math.ceil(bounds.rotation_deg / STEP_DEG)
        self._angles = [bounds.rotation_deg * n / max(count, 1) for n in range(-count, count + 1)]
        self._spectra = [self._spectrum(_turned(plane, angle)) for angle in self._angles]

    def register(self, planes: tuple[Plane, ...]) -> Pose | None:
        """The pose of a frame, by its pyramid; None where it has none within the bounds."""
        best = self._fit(0, planes, STRAIGHT, ROUNDS)
        if best is None or best.match < FIXTURE:
            starts = self._starts(self._spectrum(planes[0]))
            tried = [best, *(self._fit(0, planes, start, TRIAL_ROUNDS) for start in starts)]
            best = max(tried, key=lambda fitted: fitted.match if fitted else -1.0)
            best = best and self._fit(0, planes, best, ROUNDS)
        for number in range(1, len(planes)):
            best = best and self._fit(number, planes, best, ROUNDS)
        return best if best and best.within(self.bounds) else None

    def straight(self, planes: tuple[Plane, ...]) -> Pose | None:
        """Of a frame that is taken to lie as the golden image does: light and match alone."""
        return self._fit(len(planes) - 1, planes, STRAIGHT, 0)

    def _fit(self, number: int, planes: tuple[Plane, ...], start: Pose, rounds: int) -> Pose | None:
        fitted = self._levels[number].fit(
            planes[number], start.linear, start.shift, rounds=rounds, still_px=STILL_PX
        )
        if fitted is None:
            return None
        return Pose(fitted.linear, fitted.shift, fitted.gain, fitted.offset, fitted.match)

    def _starts(self, frame: Spectrum) -> list[Pose]:
        """Rotations with the highest peaks of phase correlation, and the shifts they lie at."""
        step_x, step_y = self._levels[0].step
        peaks = []
        for angle, spectrum in zip(self._angles, self._spectra, strict=True):
            peak, dx, dy = self._correlate(frame, spectrum)
            peaks.append((peak, angle, dx * step_x, dy * step_y))
        best = sorted(peaks, reverse=True)[:STARTS]
        return [Pose(_rotation(angle), np.array([dx, dy])) for _, angle, dx, dy in best]

    def _spectrum(self, plane: Plane) -> Spectrum:
        return np.fft.rfft2((plane - plane.mean()) * self._window)

    def _correlate(self, frame: Spectrum, golden: Spectrum) -> tuple[float, int, int]:
        """The peak of phase correlation within the bounds and its place, coarse pixels."""
        cross = frame * golden.conj()
        size = np.abs(cross)
        # White where there is signal: what is noise in both must not be made as loud.
        cross /= size + 0.05 * float(size.mean()) + 1e-9
        level = self._levels[0]
        surface = np.fft.irfft2(cross, s=level.plane.shape)
        rows, cols = (
            np.arange(-reach, reach + 1)
            for reach in (
                min(int(self.bounds.shift_px / step) + 1, (side - 1) // 2)
                for step, side in zip(level.step[::-1], level.plane.shape, strict=True)
            )
        )
        near = surface[np.ix_(rows, cols)]
        row, col = divmod(int(near.argmax()), len(cols))
        return float(near[row, col]), int(cols[col]), int(rows[row])


def pyramid(pixels: NDArray[np.uint8]) -> tuple[Plane, ...]:
    """A grey picture's levels, float32, the coarsest first; halves of one another."""
    planes: list[NDArray[np.uint8]] = []
    plane = pixels
    while True:
        half = (max(plane.shape) + 1) // 2
        if half < FINE_PX:
            planes.append(plane)
        if max(plane.shape) <= COARSE_PX:
            return tuple(level.astype(np.float32) for level in reversed(planes))
        height, width = plane.shape
        size = ((width + 1) // 2, (height + 1) // 2)
        plane = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)


def _rotation(angle_deg: float) -> Reals:
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return np.array([[cos, -sin], [sin, cos]])


def _turned(plane: Plane, angle_deg: float) -> Plane:
    """The picture as it looks when the part lies turned about its centre."""
    height, width = plane.shape
    turned = cv2.warpAffine(
        plane,
        Pose(_rotation(angle_deg), np.zeros(2)).on_frame(height, width),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(turned, np.float32)
