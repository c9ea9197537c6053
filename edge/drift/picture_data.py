"""A small picture as text, for JSON."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from edge.drift.streams import SIDE_PX

_SIZE = SIDE_PX * SIDE_PX


def text_of(grey: NDArray[np.uint8]) -> str:
    """uint8 SIDE_PX × SIDE_PX as base64."""
    return base64.b64encode(grey.tobytes()).decode("ascii")


def grey_of(text: str) -> NDArray[np.uint8]:
    """The picture again. Raises ValueError for what ``text_of`` cannot have given."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"is not base64: {error}") from error
    if len(data) != _SIZE:
        raise ValueError(f"{len(data)} grey levels, expected {_SIZE}")
    return np.frombuffer(data, np.uint8).reshape(SIDE_PX, SIDE_PX)


def _checked(text: str) -> str:
    grey_of(text)
    return text


GreyText = Annotated[str, Field(max_length=4 * (_SIZE // 3 + 1)), AfterValidator(_checked)]
