"""What is watched: one number per stream and part, and how far it may move."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Measure = Literal["exposure", "focus", "lighting", "dirt", "position", "score"]
MEASURES: tuple[Measure, ...] = get_args(Measure)

SIDE_PX = 128  # of the small picture that stands for a frame
CELLS = 16  # dirt is looked for in CELLS × CELLS cells
_CELL_COUNT = CELLS * CELLS
_ENOUGH = 0.5  # of the parts must have said something of a stream
_LOOSE_PX = 1.0  # of the small picture: parts that lie less alike have no place to watch


@dataclass(frozen=True, slots=True)
class Stream:
    """One number per part. shift: the change that is to be found, in the stream's own unit; half of
    it is allowed for good. log: the number is a natural logarithm. down_only: only a fall counts.
    """

    measure: Measure
    name: str
    shift: float
    unit: str
    log: bool = False
    down_only: bool = False

    def shown(self, value: float) -> float:
        """The value as people read it: without the logarithm."""
        return float(np.exp(value)) if self.log else value


# The scalar streams, in the order of a part's vector. Shifts: 10 % of light is within what
# augmentation covers in training; a focus of 0.15 is a blur of 0.5 px on rough surfaces, 0.7 on the
# smoothest (decision 30); 0.2 px of the small picture are 2 px in 1280; a severity of 0.5 is an
# eighth of the usual T.
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
    """The stream at this place of a part's vector."""
    if index < len(SCALARS):
        return SCALARS[index]
    return _DARK if index < DARK.stop else _DULL


def place(index: int) -> tuple[float, float] | None:
    """Where in the frame a stream looks: across and down, the middle of its cell as a share of
    width and height; None for one that looks at all of it."""
    if index < len(SCALARS):
        return None
    row, column = divmod((index - len(SCALARS)) % _CELL_COUNT, CELLS)
    return (column + 0.5) / CELLS, (row + 0.5) / CELLS


@lru_cache(maxsize=1)
def shifts() -> NDArray[np.float64]:
    """``shift`` of every stream."""
    return np.array([stream(index).shift for index in range(COUNT)])


@lru_cache(maxsize=1)
def down_only() -> NDArray[np.bool_]:
    """``down_only`` of every stream."""
    return np.array([stream(index).down_only for index in range(COUNT)])


def belongs(measure: Measure) -> NDArray[np.bool_]:
    """Which streams are of this measure."""
    return np.array([stream(index).measure == measure for index in range(COUNT)])


def known(said: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which streams can be watched. said: the share of parts that have a value. Half must have; and
    parts that lie anywhere have no place."""
    found = np.asarray(said >= _ENOUGH)
    if not (np.sqrt(variance[POSITION]) <= _LOOSE_PX).all():
        found[POSITION] = False
    return found
