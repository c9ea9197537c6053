"""What aligned parts look like, and how far a part lies from there."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.drift.streams import SIDE_PX

_BLUR_PX = 17  # light changes slowly over the frame and must not look like a part that moved
# Share of a picture's variance that the template explains: 0.4 of rough parts in a nest, below 0.03
# of loose texture (decision 30).
_ALIKE = 0.2
_RIM_PX = 4


class Template:
    """The mean of good parts' small pictures. A part's place is found by least squares on it.

    ``picture = level + gain × template + slope · shift``, the slopes being the template's own
    (Lucas & Kanade, IJCAI 1981, one step): four numbers, one product with a matrix made once.
    Right for shifts of some pixels of the small picture, and to 0.02 of one for small shifts.
    """

    def __init__(self, grey: NDArray[np.uint8]) -> None:
        """grey: uint8, SIDE_PX × SIDE_PX."""
        self.grey = grey
        fine = _detail(grey.astype(np.float32))
        across = cv2.Sobel(fine, cv2.CV_32F, 1, 0, scale=1 / 8)
        down = cv2.Sobel(fine, cv2.CV_32F, 0, 1, scale=1 / 8)
        shapes = (np.ones_like(fine), fine, across, down)
        columns = [_inner(np.asarray(each, np.float32)).ravel() for each in shapes]
        self._shapes = np.stack(columns, axis=1)
        self._solve = np.asarray(np.linalg.pinv(self._shapes), np.float32)

    @classmethod
    def mean_of(cls, pictures: Iterable[NDArray[np.float32]]) -> Template:
        """Of small pictures; one at least."""
        total, count = np.zeros((SIDE_PX, SIDE_PX)), 0
        for small in pictures:
            total += small
            count += 1
        return cls(np.round(total / count).astype(np.uint8))

    def shift(self, small: NDArray[np.float32]) -> tuple[float, float]:
        """How far right and down the part lies, pixels of the small picture; NaN where the picture
        is not of what the template shows."""
        seen = _inner(_detail(small)).ravel()
        level, gain, across, down = self._solve @ seen
        left_over = seen - self._shapes @ np.array([level, gain, across, down], np.float32)
        if gain <= 0 or float(left_over.var()) > (1 - _ALIKE) * float(seen.var()):
            return float("nan"), float("nan")
        return float(-across / gain), float(-down / gain)


def _detail(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without what changes slowly; smoothed by a pixel, so that slopes are slopes."""
    fine = cv2.GaussianBlur(small, (5, 5), 1.0)
    return np.asarray(fine - cv2.blur(fine, (_BLUR_PX, _BLUR_PX)), np.float32)


def _inner(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values[_RIM_PX:-_RIM_PX, _RIM_PX:-_RIM_PX]
