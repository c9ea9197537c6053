"""Records of labelled pictures, in which every format of label files is expressed.

Coordinates are pixels of the picture. (0, 0) is the corner of its first pixel, whose centre is
(0.5, 0.5); x goes right and y down. `raster.py` states which pixels an area covers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from edge.errors import OutfeedError

Ring: TypeAlias = tuple[tuple[float, float], ...]

GOOD = "good"  # of a class: it is no defect
IGNORE = "ignore"  # of a class: a picture that has it is left out


class LabelError(OutfeedError):
    """A label file, or a part of it, is not as expected. The message names the place."""


@dataclass(frozen=True, slots=True)
class PolygonArea:
    """Rings of points (x, y), each closed by itself.

    A ring inside another one is a hole, other rings add to the area. area_px: of the whole, where
    the tool states it. It shows that a ring inside another one is filled. is_box: the polygon is a
    rotated box around a defect, and no outline of it.
    """

    rings: tuple[Ring, ...]
    area_px: float | None = None
    is_box: bool = False


@dataclass(frozen=True, slots=True)
class BoxArea:
    """A box around a defect. Its sides may be at fractions of a pixel."""

    left: float
    top: float
    right: float
    bottom: float

    is_box = True


@dataclass(frozen=True, slots=True)
class EllipseArea:
    """An ellipse: centre, half axes in px, and its turn in degrees, clockwise as seen."""

    x: float
    y: float
    radius_x: float
    radius_y: float
    angle_deg: float = 0.0

    is_box = False


@dataclass(frozen=True, slots=True)
class RunsArea:
    """Lengths of runs of pixels, of sound ones first, in a window of the picture.

    by_column: the pixels are counted down the columns, as in COCO; else along the rows.
    """

    counts: tuple[int, ...]
    left: int
    top: int
    width: int
    height: int
    by_column: bool = False

    is_box = False


@dataclass(frozen=True, slots=True)
class BrushArea:
    """Bytes of Label Studio's run lengths, of the whole picture (see `runs.decode_brush`)."""

    data: bytes

    is_box = False


@dataclass(frozen=True, slots=True)
class BitmapArea:
    """An encoded picture (PNG) in a window of the picture: every value above 0 is the defect."""

    data: bytes
    left: int
    top: int
    width: int
    height: int

    is_box = False


@dataclass(frozen=True, slots=True)
class ColourArea:
    """The pixels of one colour, 0xRRGGBB, in a picture of classes as large as the picture."""

    path: Path
    colour: int

    is_box = False


LabelledArea: TypeAlias = (
    PolygonArea | BoxArea | EllipseArea | RunsArea | BrushArea | BitmapArea | ColourArea
)


@dataclass(frozen=True, slots=True)
class LabelledShape:
    """One annotation. kind: its class; later the kind of defect. place: file and entry, for
    messages. area: None where the whole part is marked and nothing shows where."""

    kind: str
    area: LabelledArea | None
    place: str


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """The annotations of one picture of the folder. place: file and entry, for messages.

    size: width and height in px that the label file states; None where it states none.
    """

    path: Path
    place: str
    shapes: tuple[LabelledShape, ...] = ()
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class LabelContent:
    """The content of the label files of a folder. complaints: one line for each fault.

    unread: files of the format that are not needed, each with the reason.
    """

    pictures: tuple[LabelledPicture, ...]
    complaints: tuple[str, ...] = ()
    unread: tuple[tuple[Path, str], ...] = ()
