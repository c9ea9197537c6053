"""The mean picture of aligned parts, and the measurement of the position of a part with it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from edge.drift.streams import SIDE_PX

_BLUR_PX = 17  # removes slow changes of light, which must not look like a shift of the part
# Least share of the variance of a picture that the template must explain. It is 0.4 for rough parts
# in a nest, and below 0.03 for loose texture (decision 30).
_ALIKE = 0.2
_RIM_PX = 4
_PIXELS = SIDE_PX * SIDE_PX


class Template:
    """The mean of the small pictures of good parts. Least squares give the position of a part.

    The model is ``picture = level + gain × template + slope · shift`` with the slopes of the
    template (Lucas & Kanade, IJCAI 1981, one step). Its four numbers need one product with a
    constant matrix. It is valid for shifts of a few pixels of the small picture, and accurate to
    0.02 px for small shifts.
    """

    def __init__(self, grey: NDArray[np.uint8]) -> None:
        """Prepare the template. grey: uint8 SIDE_PX×SIDE_PX."""
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
        """Return the template of at least one small picture."""
        total, count = np.zeros((SIDE_PX, SIDE_PX)), 0
        for small in pictures:
            total += small
            count += 1
        return cls(np.round(total / count).astype(np.uint8))

    def shift(self, small: NDArray[np.float32]) -> tuple[float, float]:
        """Return the shift of a part to the right and down, in pixels of the small picture.

        small: float32 SIDE_PX×SIDE_PX. Both are NaN where the picture does not match the template.
        """
        detail = _inner(_detail(small)).ravel()
        level, gain, across, down = self._solve @ detail
        left_over = detail - self._shapes @ np.array([level, gain, across, down], np.float32)
        if gain <= 0 or float(left_over.var()) > (1 - _ALIKE) * float(detail.var()):
            return float("nan"), float("nan")
        return float(-across / gain), float(-down / gain)


def _detail(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the picture without slow changes, smoothed by 1 px so that slopes are valid."""
    fine = cv2.GaussianBlur(small, (5, 5), 1.0)
    return np.asarray(fine - cv2.blur(fine, (_BLUR_PX, _BLUR_PX)), np.float32)


def _inner(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values[_RIM_PX:-_RIM_PX, _RIM_PX:-_RIM_PX]


def text_of(grey: NDArray[np.uint8]) -> str:
    """Return a small picture, uint8 SIDE_PX×SIDE_PX, as base64 text for JSON."""
    return base64.b64encode(grey.tobytes()).decode("ascii")


def grey_of(text: str) -> NDArray[np.uint8]:
    """Return the picture in a text of ``text_of``. Raises ValueError for any other text."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"is not base64: {error}") from error
    if len(data) != _PIXELS:
        raise ValueError(f"{len(data)} grey levels, expected {_PIXELS}")
    return np.frombuffer(data, np.uint8).reshape(SIDE_PX, SIDE_PX)


def _checked(text: str) -> str:
    grey_of(text)
    return text


GreyText = Annotated[str, Field(max_length=4 * (_PIXELS // 3 + 1)), AfterValidator(_checked)]
