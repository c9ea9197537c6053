"""A simulated line for the drift monitor: printed plates in a nest, seen by a camera that can age.

Every part has its own texture and a slightly different position. Two runs give the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Scene = NDArray[np.float32]
Change = Callable[[Scene, int], Scene]

SIDE = 192
SECOND_NS = 1_000_000_000


class DriftLine:
    """A source of pictures.

    aligned: parts lie in a nest; else each shows another area of the same texture.
    """

    def __init__(self, seed: int = 0, *, aligned: bool = True, side: int = SIDE) -> None:
        self._rng = np.random.default_rng(seed)
        self._aligned, self._side = aligned, side
        big = cv2.GaussianBlur(self._rng.normal(0, 1, (3 * side, 3 * side)), (0, 0), 1.2)
        self._texture = (130 + 18 * big / big.std()).astype(np.float32)
        axis = np.linspace(-1, 1, side, dtype=np.float32)
        self._light = 1 - 0.08 * (axis[None, :] ** 2 + axis[:, None] ** 2)
        self._plate = np.full((side, side), 1.0, np.float32)
        for left, top, size in ((0.1, 0.15, 0.25), (0.55, 0.2, 0.3), (0.3, 0.6, 0.2)):
            x, y, end = int(left * side), int(top * side), int(size * side)
            self._plate[y : y + end, x : x + end] = 0.6
        cv2.circle(self._plate, (int(0.75 * side), int(0.75 * side)), side // 9, 1.4, -1)

    def part(self, change: Change | None = None, number: int = 0) -> Pixels:
        """Return the next part's picture, uint8 side×side. change: effect of lens, lamp or nest."""
        rng, side = self._rng, self._side
        left, top = rng.integers(0, 2 * side, 2)
        scene = self._texture[top : top + side, left : left + side].copy()
        if self._aligned:
            scene *= self._plate
            scene = _shifted(scene, rng.normal(0, 0.3), rng.normal(0, 0.3))
        scene *= self._light * np.float32(rng.normal(1, 0.01))
        if change is not None:
            scene = change(scene, number)
        scene += rng.normal(0, 1.5, scene.shape).astype(np.float32)
        return np.asarray(np.clip(np.round(scene), 0, 255), np.uint8)

    def peak(self) -> float:
        """Return the peak severity of a good part: most are near 0.5, few near 2."""
        return float(0.3 + self._rng.gamma(1.5, 0.2))

    def parts(self, count: int, change: Change | None = None) -> Iterator[Pixels]:
        """Yield the pictures of the next ``count`` parts."""
        for number in range(count):
            yield self.part(change, number)


def darker(share: float) -> Change:
    """Return a change with less light everywhere."""
    return lambda scene, _: scene * np.float32(1 - share)


def blurred(sigma_px: float) -> Change:
    """Return a change that blurs the picture."""
    return lambda scene, _: np.asarray(cv2.GaussianBlur(scene, (0, 0), sigma_px), np.float32)


def moved(pixels: float) -> Change:
    """Return a change that moves the nest to the right."""
    return lambda scene, _: _shifted(scene, pixels, 0.0)


def _shifted(scene: Scene, right: float, down: float) -> Scene:
    by = np.array([[1, 0, right], [0, 1, down]], np.float64)
    size = (scene.shape[1], scene.shape[0])
    return np.asarray(cv2.warpAffine(scene, by, size, borderMode=cv2.BORDER_REFLECT), np.float32)


def lamp(share: float) -> Change:
    """Return a change of the lamp at the right: less light at the right rim, none at the left."""

    def apply(scene: Scene, _: int) -> Scene:
        return scene * np.linspace(1, 1 - share, scene.shape[1], dtype=np.float32)

    return apply


def dirt(share: float, *, at: tuple[float, float] = (0.7, 0.3), radius: float = 0.05) -> Change:
    """Return a change with a soft dark spot on the lens; ``at`` and ``radius`` as frame shares."""

    def apply(scene: Scene, _: int) -> Scene:
        height, width = scene.shape
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        away = ((x / width - at[0]) ** 2 + (y / height - at[1]) ** 2) / radius**2
        return np.asarray(scene * (1 - share * np.exp(-away / 2)), np.float32)

    return apply


def grease(*, at: tuple[float, float] = (0.7, 0.3), radius: float = 0.08) -> Change:
    """Return a change with a fingerprint on the lens: not darker, but blurred."""

    def apply(scene: Scene, _: int) -> Scene:
        height, width = scene.shape
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        away = ((x / width - at[0]) ** 2 + (y / height - at[1]) ** 2) / radius**2
        share = np.exp(-(away**2) / 2).astype(np.float32)
        veiled = scene * (1 - share) + cv2.GaussianBlur(scene, (0, 0), 6.0) * share
        return np.asarray(veiled, np.float32)

    return apply


def growing(change: Callable[[float], Change], end: float, parts: int) -> Change:
    """Return a change that grows from nothing to ``end`` over ``parts`` parts."""
    return lambda scene, number: change(max(end * min(1.0, number / parts), 1e-6))(scene, number)


@dataclass(frozen=True, slots=True)
class DriftCase:
    """A change and the measure that should detect it. creep: rise of the peak severity per part."""

    name: str
    measure: str
    change: Change | None
    aligned: bool = True
    creep: float = 0.0


CASES = (
    DriftCase("20 % less light at once", "exposure", darker(0.2)),
    DriftCase("20 % less light over 1,000 parts", "exposure", growing(darker, 0.2, 1000)),
    DriftCase("lamp at the right ages by 20 % over 1,000", "lighting", growing(lamp, 0.2, 1000)),
    DriftCase("blur of 0.7 px at once", "focus", blurred(0.7)),
    DriftCase("blur to 1 px over 1,000", "focus", growing(blurred, 1.0, 1000)),
    DriftCase("the same on loose texture", "focus", growing(blurred, 1.0, 1000), aligned=False),
    DriftCase("nest moves by 3 px at once", "position", moved(3.0)),
    DriftCase("nest moves to 3 px over 1,000", "position", growing(moved, 3.0, 1000)),
    DriftCase("dirt, 20 % darker at once", "dirt", dirt(0.2)),
    DriftCase("dirt grows to 20 % over 1,000", "dirt", growing(dirt, 0.2, 1000)),
    DriftCase("the same on loose texture", "dirt", growing(dirt, 0.2, 1000), aligned=False),
    DriftCase("fingerprint at once", "dirt", grease()),
    DriftCase("peak severity creeps by 1 over 1,000", "score", None, creep=0.001),
)
