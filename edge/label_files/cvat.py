"""CVAT for images 1.1: one XML file with an element for each picture.

Source: "XML annotation format" in CVAT's documentation. Boxes (turned or not), polygons, ellipses
and masks are read, and tags of the whole picture. A picture without an element inside is a good
part. Polylines, points, cuboids and skeletons are refused. So is "CVAT for video", whose tracks are
written for some frames only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree.ElementTree import Element

from edge.label_files.label_text import number, read_xml, ring_of, size_of, text, whole
from edge.label_files.picture_names import PictureIndex
from edge.label_files.raster import turned_box
from edge.label_files.shapes import (
    BoxArea,
    EllipseArea,
    LabelContent,
    LabelError,
    LabelledArea,
    LabelledPicture,
    LabelledShape,
    PolygonArea,
    RunsArea,
)

NAME = "cvat"
TITLE = "CVAT"
GOOD_ENTRY = "an element without shapes"

_NO_AREA = ("polyline", "points", "cuboid", "skeleton")


def read(files: Iterable[Path], index: PictureIndex) -> LabelContent:
    """Return the pictures and shapes of CVAT files. Blocks on the disk.

    Faults are complaints of the result: one line each.
    """
    pictures: list[LabelledPicture] = []
    complaints: list[str] = []
    for file in files:
        try:
            root = read_xml(file)
        except LabelError as error:
            complaints.append(str(error))
            continue
        if root.find("track") is not None:
            complaints.append(
                f"{file}: is CVAT for video, with tracks; expected the export CVAT for images 1.1"
            )
            continue
        for position, element in enumerate(root.findall("image")):
            place = f"{file}: image {element.get('id', position)}"
            try:
                name = text(element.get("name"), f"{place}: name")
                size = size_of(element.get("width"), element.get("height"), place)
                path = _found(name, file, index, place)
            except LabelError as error:
                complaints.append(str(error))
                continue
            shapes = _shapes(element, place, complaints)
            pictures.append(LabelledPicture(path, place, shapes, size))
    return LabelContent(tuple(pictures), tuple(complaints))


def _found(name: str, file: Path, index: PictureIndex, place: str) -> Path:
    try:
        return index.find(name, file)
    except LabelError as error:
        raise LabelError(f"{place}: {error}") from error


def _shapes(image: Element, place: str, complaints: list[str]) -> tuple[LabelledShape, ...]:
    shapes = []
    for position, element in enumerate(image):
        at = f"{place}: {element.tag}[{position}]"
        try:
            if element.tag in _NO_AREA:
                raise LabelError(
                    f"{at}: has no area that is read; expected a polygon, mask, ellipse or box"
                )
            kind = text(element.get("label"), f"{at}: label")
            shapes.append(LabelledShape(kind, _area(element, at), at))
        except LabelError as error:
            complaints.append(str(error))
    return tuple(shapes)


def _area(element: Element, place: str) -> LabelledArea | None:
    values = element.attrib
    if element.tag == "tag":
        return None
    if element.tag == "polygon":
        return PolygonArea((ring_of(_points(values.get("points", ""), place), place),))
    if element.tag == "ellipse":
        x, y, radius_x, radius_y = _numbers(values, ("cx", "cy", "rx", "ry"), place)
        return EllipseArea(x, y, radius_x, radius_y, _turn(values, place))
    if element.tag == "box":
        left, top, right, bottom = _numbers(values, ("xtl", "ytl", "xbr", "ybr"), place)
        angle_deg = _turn(values, place)
        if not angle_deg:
            return BoxArea(left, top, right, bottom)
        middle = (left + right) / 2, (top + bottom) / 2
        ring = turned_box(left, top, right - left, bottom - top, angle_deg, pivot=middle)
        return PolygonArea((ring,), is_box=True)
    if element.tag == "mask":
        names = ("left", "top", "width", "height")
        left, top, width, height = (whole(values.get(name), f"{place}: {name}") for name in names)
        counts = tuple(
            whole(each, f"{place}: rle") for each in text(values.get("rle"), place).split(",")
        )
        return RunsArea(counts, left, top, width, height)
    raise LabelError(f"{place}: is a shape that is not read; expected a polygon, mask or box")


def _turn(values: Mapping[str, str], place: str) -> float:
    return number(values.get("rotation", "0"), f"{place}: rotation")


def _numbers(values: Mapping[str, str], names: Iterable[str], place: str) -> list[float]:
    return [number(values.get(name), f"{place}: {name}") for name in names]


def _points(listed: str, place: str) -> list[float]:
    """Return x, y, x, y, … of "x,y;x,y"."""
    pairs = [pair.split(",") for pair in listed.split(";") if pair.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise LabelError(f"{place}: points: expected x,y;x,y;…")
    return [number(value, f"{place}: points") for pair in pairs for value in pair]
