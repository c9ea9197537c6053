"""The shapes that every export in this folder shows, and their masks.

It needs numpy alone, so that the environments of the tools can import it. A mask is the set of
pixels whose centres lie inside an outline, by the crossing number of each pixel, which shares no
code with the reader.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

SIZE = (120, 160)  # height, width
NAMES = ("Prüfung ü.png", "line2/0002.png", "line3/0002.png", "0003.png")
KINDS = ("dent", "kratzer ü")
Points = tuple[tuple[float, float], ...]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Shape:
    """An outline of one kind. hole: an outline inside it, or none. box: of a rotated box, its left,
    top, width and height before it is turned, and its turn in degrees, clockwise as seen."""

    kind: str
    outline: Points
    hole: Points = ()
    box: tuple[float, float, float, float, float] | None = None

    @property
    def mask(self) -> Mask:
        """bool SIZE."""
        inside = _inside(self.outline)
        return inside & ~_inside(self.hole) if self.hole else inside

    def cut(self) -> Shape:
        """Return the shape with coordinates cut to whole pixels."""
        return replace(self, outline=tuple((float(int(x)), float(int(y))) for x, y in self.outline))


def _inside(points: Points) -> Mask:
    rows, cols = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    crossings = np.zeros(SIZE, np.int64)
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
        if y0 == y1:
            continue
        at = x0 + (rows - y0) / (y1 - y0) * (x1 - x0)
        crossings += ((y0 <= rows) != (y1 <= rows)) & (cols < at)
    return crossings % 2 == 1


def _round(x: float, y: float, radius_x: float, radius_y: float, points: int = 40) -> Points:
    angles = (2 * math.pi * number / points for number in range(points))
    return tuple(
        (round(x + radius_x * math.cos(a), 2), round(y + radius_y * math.sin(a), 2)) for a in angles
    )


def _turned(left: float, top: float, width: float, height: float, angle_deg: float) -> Shape:
    x, y = left + width / 2, top + height / 2
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    corners = [(sx * width / 2, sy * height / 2) for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    ring = tuple((x + dx * cos - dy * sin, y + dx * sin + dy * cos) for dx, dy in corners)
    return Shape("dent", ring, box=(left, top, width, height, angle_deg))


def _box(kind: str, left: float, top: float, width: float, height: float) -> Shape:
    right, bottom = left + width, top + height
    ring = ((left, top), (right, top), (right, bottom), (left, bottom))
    return Shape(kind, ring, box=(left, top, width, height, 0.0))


_BLOB = Shape("kratzer ü", _round(52.3, 60.7, 38.4, 27.2))
_RING = Shape("kratzer ü", _round(52.3, 60.7, 38.4, 27.2), hole=_round(50, 58, 15, 10))
_DENT = Shape("dent", ((110.5, 12.0), (150.0, 20.25), (140.0, 44.0), (116.0, 40.5)))
_CRACK = Shape(
    "dent", ((5.0, 100.0), (70.0, 84.0), (150.0, 104.0), (150.0, 110.0), (70.0, 91.0), (5.0, 107.0))
)

OUTLINES: dict[str, tuple[Shape, ...]] = dict(
    zip(NAMES, ((_BLOB, _DENT), (_CRACK,), (_BLOB,), ()), strict=True)
)
HOLES: dict[str, tuple[Shape, ...]] = dict(
    zip(NAMES, ((_RING, _DENT), (_CRACK,), (_RING,), ()), strict=True)
)
BOXES: dict[str, tuple[Shape, ...]] = dict(
    zip(
        NAMES,
        (
            (_box("dent", 20, 30, 40, 25), _box("kratzer ü", 90, 60, 50, 31)),
            (_box("dent", 1, 2, 30, 40),),
            (),
            (),
        ),
        strict=True,
    )
)
ROTATED: dict[str, tuple[Shape, ...]] = dict(
    zip(
        NAMES,
        (
            (_turned(30, 40, 60, 24, 30), _turned(95, 30, 40, 40, -20)),
            (_turned(40, 50, 80, 20, 75),),
            (),
            (),
        ),
        strict=True,
    )
)


def picture() -> npt.NDArray[np.uint8]:
    """A smooth grey surface, uint8 SIZE, whose PNG is small."""
    rows, cols = np.mgrid[: SIZE[0], : SIZE[1]]
    return (100 + rows // 40 + cols // 40).astype(np.uint8)
