"""LabelMe JSON: one file for each picture, with `shapes` and `imagePath`.

Source: `labelme/label_file.py` and the examples of the project. Polygons, rectangles, circles and
masks are read. Lines and points have no area and are refused. A picture that is stored inside the
file (`imageData`) is not read: the picture must lie in the folder.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from edge.label_files.label_text import array, number, read_json, ring_of, size_of, table, text
from edge.label_files.picture_names import PictureIndex
from edge.label_files.shapes import (
    BitmapArea,
    BoxArea,
    EllipseArea,
    LabelContent,
    LabelError,
    LabelledArea,
    LabelledPicture,
    LabelledShape,
    PolygonArea,
)

NAME = "labelme"
TITLE = "LabelMe"
GOOD_ENTRY = "a JSON file without shapes"

_NO_AREA = ("point", "points", "line", "linestrip")
# Boxes of four corners: of LabelMe from version 6, and of X-AnyLabeling.
_TURNED = ("oriented_rectangle", "rotated_rectangle", "rotation")


def read(files: Iterable[Path], index: PictureIndex) -> LabelContent:
    """Return the pictures and shapes of LabelMe files. Blocks on the disk.

    Faults are complaints of the result: one line each.
    """
    pictures: list[LabelledPicture] = []
    complaints: list[str] = []
    for file in files:
        try:
            content = table(read_json(file), f"{file}: the content")
            path = _picture(file, content, index)
        except LabelError as error:
            complaints.append(str(error))
            continue
        shapes = []
        try:
            size = size_of(content.get("imageWidth"), content.get("imageHeight"), str(file))
            items = array(content.get("shapes"), f"{file}: shapes")
        except LabelError as error:
            complaints.append(str(error))
            continue
        for position, item in enumerate(items):
            place = f"{file}: shapes[{position}]"
            try:
                entry = table(item, place)
                kind = text(entry.get("label"), f"{place}: label")
                shapes.append(LabelledShape(kind, _area(entry, place), place))
            except LabelError as error:
                complaints.append(str(error))
        pictures.append(LabelledPicture(path, str(file), tuple(shapes), size))
    return LabelContent(tuple(pictures), tuple(complaints))


def _picture(file: Path, content: Mapping[str, object], index: PictureIndex) -> Path:
    """Return the picture by `imagePath`, else by the name of the JSON file beside it.

    Files that were renamed together keep the old `imagePath`.
    """
    name = text(content.get("imagePath"), f"{file}: imagePath")
    try:
        return index.find(name, file)
    except LabelError as error:
        if beside := index.beside(file):
            return beside
        raise LabelError(f"{file}: {error}") from error


def _area(entry: Mapping[str, object], place: str) -> LabelledArea:
    form = text(entry.get("shape_type") or "polygon", f"{place}: shape_type")
    points = []
    for item in array(entry.get("points"), f"{place}: points"):
        pair = array(item, f"{place}: points")
        if len(pair) != 2:
            raise LabelError(f"{place}: points: has {len(pair)} numbers; expected x and y")
        points.append((number(pair[0], f"{place}: points"), number(pair[1], f"{place}: points")))
    if form == "polygon" or form in _TURNED:
        flat = [value for point in points for value in point]
        return PolygonArea((ring_of(flat, f"{place}: points"),), is_box=form != "polygon")
    if form in ("rectangle", "circle", "mask"):
        if len(points) != 2:
            raise LabelError(f"{place}: has {len(points)} points; expected 2 for a {form}")
        (x0, y0), (x1, y1) = points
        if form == "circle":
            radius = math.hypot(x1 - x0, y1 - y0)
            return EllipseArea(x0, y0, radius, radius)
        left, right, top, bottom = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
        if form == "rectangle":
            return BoxArea(left, top, right, bottom)
        return _mask(entry, (left, top, right, bottom), place)
    if form in _NO_AREA:
        raise LabelError(f"{place}: is a {form}, which has no area; expected a polygon or a mask")
    raise LabelError(f"{place}: has the shape {form}, which is not read; expected a polygon")


def _mask(
    entry: Mapping[str, object], corners: tuple[float, float, float, float], place: str
) -> BitmapArea:
    """Return the mask between two corners; both corners are pixels of it."""
    try:
        data = base64.b64decode(text(entry.get("mask"), f"{place}: mask"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise LabelError(f"{place}: mask is no base64 text; expected a PNG in base64") from error
    left, top, right, bottom = (round(corner) for corner in corners)
    return BitmapArea(data, left, top, right - left + 1, bottom - top + 1)
