"""Generated parts for golden images: a plate with holes, slots and a mark, in a fixture with play.

Drawn at four times the size and reduced, so that edges lie between pixels as a camera's do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

FINER = 4
GROUND, PLATE, HOLE, MARK = 60, 170, 30, 225


@dataclass(frozen=True)
class Lie:
    """The position of a part before the camera; shift in pixels, to the right and down."""

    shift_x: float = 0.0
    shift_y: float = 0.0
    rotation_deg: float = 0.0
    scale: float = 1.0


def drawing(height: int, width: int, *, variant: int = 0, defect: str | None = None) -> Pixels:
    """Return uint8 of H×W times FINER.

    defect: None, "blob" (a dark blot), "gone" (a hole that is not drilled) or "scratch".
    """
    h, w = height * FINER, width * FINER
    part = np.full((h, w), GROUND, np.uint8)
    cv2.rectangle(part, (w // 10, h // 8), (w * 9 // 10, h * 7 // 8), PLATE, -1)
    holes = [(0.22, 0.28), (0.78, 0.28), (0.22, 0.72), (0.7, 0.72)]
    for number, (x, y) in enumerate(holes):
        if not (defect == "gone" and number == 3):
            cv2.circle(part, (int(x * w), int(y * h)), h // 16, HOLE, -1)
    cv2.rectangle(part, (w * 2 // 5, h // 5), (w * 3 // 5, h * 3 // 10), HOLE, -1)
    text = "OUTFEED" if variant == 0 else "VARIANT"
    cv2.putText(
        part, text, (w // 4, h * 11 // 20), cv2.FONT_HERSHEY_SIMPLEX, h / 250, MARK, h // 80
    )
    if defect == "blob":
        cv2.circle(part, (w // 2, h * 7 // 10), h // 40, HOLE + 30, -1)
    elif defect == "scratch":
        ends = (w * 3 // 10, h * 4 // 5), (w * 11 // 20, h * 17 // 20)
        cv2.line(part, *ends, MARK, max(h // 120, 2))
    return part


def seen(
    drawn: Pixels,
    lie: Lie | None = None,
    *,
    seed: int = 0,
    noise: float = 2.0,
    light: float = 1.0,
    tilt: float = 0.0,
) -> Pixels:
    """A frame of it: reduced, in a light that is so many times as strong, and by ``tilt`` stronger
    on the right than on the left; with a camera's noise in grey levels."""
    lie = lie or Lie()
    h, w = drawn.shape[:2]
    turn = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), -lie.rotation_deg, lie.scale)
    turn[:, 2] += np.array([lie.shift_x, lie.shift_y]) * FINER
    laid = cv2.warpAffine(drawn, turn, (w, h), borderMode=cv2.BORDER_REPLICATE)
    frame = cv2.resize(laid, (w // FINER, h // FINER), interpolation=cv2.INTER_AREA)
    fall = light * (1.0 + tilt * np.linspace(-0.5, 0.5, frame.shape[1]))
    lit = frame * (fall if frame.ndim == 2 else fall[:, None])
    lit += np.random.default_rng(seed).normal(0.0, noise, frame.shape)
    return np.asarray(np.clip(lit + 0.5, 0, 255), np.uint8)


def play(seed: int) -> Lie:
    """Return a random position within the play of a fixture."""
    rng = np.random.default_rng([seed, 7])
    x, y = rng.uniform(-2.5, 2.5, 2)
    return Lie(x, y, rng.uniform(-1.0, 1.0), rng.uniform(0.995, 1.005))


def matrix(lie: Lie) -> NDArray[np.float64]:
    """The linear part that a Pose of it has."""
    cos, sin = math.cos(math.radians(lie.rotation_deg)), math.sin(math.radians(lie.rotation_deg))
    return lie.scale * np.array([[cos, -sin], [sin, cos]])
