"""The formats of label files that are read, and the check of their content against the pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.errors import FrameError
from edge.images import read_size
from edge.label_files import coco, cvat, label_studio, labelme, voc, yolo
from edge.label_files.picture_names import PictureIndex
from edge.label_files.raster import extent
from edge.label_files.shapes import LabelContent, LabelledPicture, RunsArea

# A point may lie so far outside: tools round, and a hand draws over the rim.
OUTSIDE_PX = 1.0


@dataclass(frozen=True, slots=True)
class LabelFormat:
    """A format. title: the tool's or format's own name. good: the entry of a good part, in words.

    read: returns the content of the files of the format in a folder.
    """

    name: str
    title: str
    good: str
    read: Callable[[Iterable[Path], PictureIndex], LabelContent]


FORMATS: Mapping[str, LabelFormat] = {
    each.NAME: LabelFormat(each.NAME, each.TITLE, each.GOOD_ENTRY, each.read)
    for each in (coco, yolo, labelme, cvat, label_studio, voc)
}


def misfits(picture: LabelledPicture) -> list[str]:
    """Return a line for another size than the picture's, and for each shape outside of it.

    Reads the header of the picture. A picture that cannot be read is left to its decoder.
    """
    try:
        width, height = read_size(picture.path)
    except FrameError:
        return []
    if picture.size is not None and picture.size != (width, height):
        stated = f"{picture.size[0]}x{picture.size[1]}"
        return [
            f"{picture.place}: states {stated} for {picture.path.name}, which is {width}x{height}; "
            "expected labels drawn on the picture as it is"
        ]
    lines = []
    for shape in picture.shapes:
        box = None if shape.area is None else extent(shape.area)
        if box is None:
            continue
        inside = min(box[0], box[1]) >= -OUTSIDE_PX
        inside = inside and box[2] <= width + OUTSIDE_PX and box[3] <= height + OUTSIDE_PX
        if isinstance(shape.area, RunsArea) and (fault := _runs_fault(shape.area)):
            lines.append(f"{shape.place}: {fault}")
        if not inside or box[0] >= width or box[1] >= height or box[2] <= 0 or box[3] <= 0:
            sides = " ".join(f"{side:g}" for side in box)
            lines.append(
                f"{shape.place}: lies at {sides} (left, top, right, bottom) and the picture "
                f"{picture.path.name} is {width}x{height}; expected coordinates inside of it"
            )
    return lines


def _runs_fault(area: RunsArea) -> str:
    """Return what is wrong with run lengths, without making the mask; '' where nothing is."""
    pixels = area.width * area.height
    if sum(area.counts) != pixels or any(count < 0 for count in area.counts):
        return (
            f"the run lengths cover {sum(area.counts)} pixels; expected {pixels} "
            f"({area.width}x{area.height})"
        )
    if not any(area.counts[1::2]):
        return "covers no pixel; expected the defect drawn, or no entry"
    return ""
