"""Parts of a simulated line: a printed plate in its nest, seen by a camera that can be told to age.

Every part has its own grain and lies a little differently; nothing is random between two runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Change = Callable[[NDArray[np.float32], int], NDArray[np.float32]]

SIDE = 192
SECOND_NS = 1_000_000_000


class Line:
    """aligned: parts lie in a nest; else each shows another piece of the same texture."""

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
        """The next part's picture, uint8 side×side. change: what lens, lamp or nest does to it."""
        rng, side = self._rng, self._side
        left, top = rng.integers(0, 2 * side, 2)
        scene = self._texture[top : top + side, left : left + side].copy()
        if self._aligned:
            scene *= self._plate
            moved = np.float32([[1, 0, rng.normal(0, 0.3)], [0, 1, rng.normal(0, 0.3)]])
            scene = cv2.warpAffine(scene, moved, (side, side), borderMode=cv2.BORDER_REFLECT)
        scene *= self._light * np.float32(rng.normal(1, 0.01))
        if change is not None:
            scene = change(scene, number)
        scene += rng.normal(0, 1.5, scene.shape).astype(np.float32)
        return np.clip(np.round(scene), 0, 255).astype(np.uint8)

    def peak(self) -> float:
        """The peak severity of a good part: most near 0.5, few near 2."""
        return float(0.3 + self._rng.gamma(1.5, 0.2))

    def parts(self, count: int, change: Change | None = None) -> Iterator[Pixels]:
        for number in range(count):
            yield self.part(change, number)


def darker(share: float) -> Change:
    """Less light, all over."""
    return lambda scene, _: scene * np.float32(1 - share)


def blurred(sigma_px: float) -> Change:
    """Out of focus."""
    return lambda scene, _: cv2.GaussianBlur(scene, (0, 0), sigma_px)


def moved(pixels: float) -> Change:
    """The nest has moved to the right."""

    def do(scene: NDArray[np.float32], _: int) -> NDArray[np.float32]:
        by = np.float32([[1, 0, pixels], [0, 1, 0]])
        size = (scene.shape[1], scene.shape[0])
        return np.asarray(
            cv2.warpAffine(scene, by, size, borderMode=cv2.BORDER_REFLECT), np.float32
        )

    return do


def lamp(share: float) -> Change:
    """The lamp at the right gives less: by that share at the right rim, by nothing at the left."""

    def do(scene: NDArray[np.float32], _: int) -> NDArray[np.float32]:
        return scene * np.linspace(1, 1 - share, scene.shape[1], dtype=np.float32)

    return do


def dirt(share: float, *, at: tuple[float, float] = (0.7, 0.3), radius: float = 0.05) -> Change:
    """A soft dark spot on the lens: its place and radius as shares of the frame."""

    def do(scene: NDArray[np.float32], _: int) -> NDArray[np.float32]:
        height, width = scene.shape
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        away = ((x / width - at[0]) ** 2 + (y / height - at[1]) ** 2) / radius**2
        return scene * (1 - share * np.exp(-away / 2)).astype(np.float32)

    return do


def grease(*, at: tuple[float, float] = (0.7, 0.3), radius: float = 0.08) -> Change:
    """A fingerprint: no darker, but nothing is sharp there."""

    def do(scene: NDArray[np.float32], _: int) -> NDArray[np.float32]:
        height, width = scene.shape
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        away = ((x / width - at[0]) ** 2 + (y / height - at[1]) ** 2) / radius**2
        share = np.exp(-(away**2) / 2).astype(np.float32)
        return scene * (1 - share) + cv2.GaussianBlur(scene, (0, 0), 6.0) * share

    return do


def growing(change: Callable[[float], Change], end: float, parts: int) -> Change:
    """From nothing to ``end`` over so many parts."""
    return lambda scene, number: change(max(end * min(1.0, number / parts), 1e-6))(scene, number)
