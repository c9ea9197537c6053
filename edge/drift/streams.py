"""The drift measures, as streams: one number per stream and part, and the shift to detect."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Measure = Literal["exposure", "focus", "lighting", "dirt", "position", "score"]
MEASURES: tuple[Measure, ...] = get_args(Measure)

SIDE_PX = 128  # side of the reduced picture of a frame
CELLS = 16  # dirt is measured in CELLS × CELLS cells
_CELL_COUNT = CELLS * CELLS
_ENOUGH = 0.5  # share of parts that must have a value of a stream
_LOOSE_PX = 1.0  # of the small picture; with a larger spread the position is not watched


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream: one number per part.

    shift: the change to detect, in the unit of the stream; half of it is always allowed.
    log: the number is a natural logarithm. down_only: only a decrease counts.
    """

    measure: Measure
    name: str
    shift: float
    unit: str
    log: bool = False
    down_only: bool = False

    def shown(self, value: float) -> float:
        """Return the value for display, without the logarithm."""
        return float(np.exp(value)) if self.log else value


# The scalar streams, in the order of the vector of a part. Reasons for the shifts: 10 % of light is
# within the range that augmentation covers in training. A sharpness of 0.15 is a blur of 0.5 px on
# rough surfaces and of 0.7 px on the smoothest (decision 30). 0.2 px of the small picture are 2 px
# in 1280. A severity of 0.5 is an eighth of the usual threshold.
SCALARS: tuple[Stream, ...] = (
    Stream("exposure", "brightness", 0.10, "grey levels", log=True),
    Stream("exposure", "clipped pixels", 0.02, "share"),
    Stream("focus", "sharpness", 0.15, "fine by coarse contrast", log=True),
    Stream("lighting", "light across", 0.10, "right by middle", log=True),
    Stream("lighting", "light down", 0.10, "bottom by middle", log=True),
    Stream("lighting", "light to the rim", 0.10, "rim by middle", log=True),
    Stream("position", "place across", 0.2, "1/128 of the width"),
    Stream("position", "place down", 0.2, "1/128 of the height"),
    Stream("score", "peak severity", 0.5, "severity"),
)
_DARK = Stream("dirt", "dark spot", 0.06, "by its surroundings", log=True, down_only=True)
_DULL = Stream("dirt", "dull spot", 0.35, "contrast, by the frame's", log=True, down_only=True)

BRIGHTNESS, CLIPPED, SHARPNESS = 0, 1, 2
LIGHT = slice(3, 6)
POSITION = slice(6, 8)
SCORE = 8
DARK = slice(len(SCALARS), len(SCALARS) + _CELL_COUNT)
DULL = slice(DARK.stop, DARK.stop + _CELL_COUNT)
COUNT = DULL.stop


def stream(index: int) -> Stream:
    """Return the stream at this index of the vector of a part."""
    if index < len(SCALARS):
        return SCALARS[index]
    return _DARK if index < DARK.stop else _DULL


def place(index: int) -> tuple[float, float] | None:
    """Return the centre of the cell of a stream, across and down, as shares of the frame.

    Return None for a stream of the whole frame.
    """
    if index < len(SCALARS):
        return None
    row, column = divmod((index - len(SCALARS)) % _CELL_COUNT, CELLS)
    return (column + 0.5) / CELLS, (row + 0.5) / CELLS


@lru_cache(maxsize=1)
def shifts() -> NDArray[np.float64]:
    """Return the shift of every stream, float64."""
    return np.array([stream(index).shift for index in range(COUNT)])


@lru_cache(maxsize=1)
def down_only() -> NDArray[np.bool_]:
    """Return down_only of every stream, bool."""
    return np.array([stream(index).down_only for index in range(COUNT)])


def belongs(measure: Measure) -> NDArray[np.bool_]:
    """Return a mask of the streams of this measure, bool."""
    return np.array([stream(index).measure == measure for index in range(COUNT)])


def known(share: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return a mask of the streams that can be watched.

    share: share of parts with a value, at least one half. variance: over these parts. The position
    is not watched where its standard deviation is above 1 px of the small picture.
    """
    usable = np.asarray(share >= _ENOUGH)
    if not (np.sqrt(variance[POSITION]) <= _LOOSE_PX).all():
        usable[POSITION] = False
    return usable
