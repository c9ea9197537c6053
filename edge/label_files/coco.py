"""COCO JSON: `images`, `annotations` and `categories` in one file, or one for each split.

Source: the data format page of COCO. Written by CVAT, Label Studio, Roboflow, FiftyOne and others.
`segmentation` is polygons, run lengths (`counts` as numbers or as text), or empty for a box alone.
Rings of one annotation add up, and a ring inside another is a hole unless `area` shows that it is
filled. `iscrowd` and `ignore` do not make a defect sound: such an annotation is read as the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from edge.label_files.label_text import (
    array,
    number,
    read_json,
    ring_of,
    size_of,
    table,
    text,
    whole,
)
from edge.label_files.picture_names import PictureIndex
from edge.label_files.runs import decode_counts
from edge.label_files.shapes import (
    BoxArea,
    LabelContent,
    LabelError,
    LabelledArea,
    LabelledPicture,
    LabelledShape,
    PolygonArea,
    Ring,
    RunsArea,
)

NAME = "coco"
TITLE = "COCO"
GOOD_ENTRY = "an entry without annotations"

_SAME_PX = 0.01  # a polygon that is its own box, within rounding, was drawn as a box


def read(files: Iterable[Path], index: PictureIndex) -> LabelContent:
    """Return the pictures and shapes of COCO files. Blocks on the disk.

    Faults are complaints of the result: one line each.
    """
    pictures: list[LabelledPicture] = []
    complaints: list[str] = []
    for file in files:
        try:
            content = table(read_json(file), f"{file}: the content")
            pictures += _pictures(file, content, index, complaints)
        except LabelError as error:
            complaints.append(str(error))
    return LabelContent(tuple(pictures), tuple(complaints))


def _pictures(
    file: Path, content: Mapping[str, object], index: PictureIndex, complaints: list[str]
) -> list[LabelledPicture]:
    kinds = _kinds(file, content)
    shapes: dict[int | str, list[LabelledShape]] = {}
    stated: dict[int | str, Mapping[str, object]] = {}
    for position, item in enumerate(array(content.get("images"), f"{file}: images")):
        entry = table(item, f"{file}: images[{position}]")
        number_ = _id(entry.get("id"), f"{file}: images[{position}]: id")
        if number_ in stated:
            raise LabelError(f"{file}: images: the id {number_} stands twice; expected each once")
        stated[number_] = entry
    for position, item in enumerate(array(content.get("annotations"), f"{file}: annotations")):
        place = f"{file}: annotations[{position}]"
        try:
            entry = table(item, place)
            image = _id(entry.get("image_id"), f"{place}: image_id")
            if image not in stated:
                raise LabelError(f"{place}: image_id {image} is in no entry of images")
            shapes.setdefault(image, []).append(_shape(entry, kinds, stated[image], place))
        except LabelError as error:
            complaints.append(str(error))
    found = []
    for number_, entry in stated.items():
        place = f"{file}: image {number_}"
        try:
            name = text(entry.get("file_name"), f"{place}: file_name")
            size = size_of(entry.get("width"), entry.get("height"), place)
            path = _found(name, file, index, place)
            found.append(LabelledPicture(path, place, tuple(shapes.get(number_, ())), size))
        except LabelError as error:
            complaints.append(str(error))
    return found


def _found(name: str, file: Path, index: PictureIndex, place: str) -> Path:
    try:
        return index.find(name, file, uploaded=True)
    except LabelError as error:
        raise LabelError(f"{place}: {error}") from error


def _kinds(file: Path, content: Mapping[str, object]) -> dict[int | str, str]:
    kinds: dict[int | str, str] = {}
    for position, item in enumerate(array(content.get("categories"), f"{file}: categories")):
        place = f"{file}: categories[{position}]"
        entry = table(item, place)
        key = _id(entry.get("id"), f"{place}: id")
        if key in kinds:
            raise LabelError(f"{place}: the id {key} stands twice; expected each once")
        kinds[key] = text(entry.get("name"), f"{place}: name")
    return kinds


def _id(value: object, what: str) -> int | str:
    """Return a number or text that identifies an entry. Some tools make ids of dates or names."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise LabelError(f"{what} is {ascii(value)[:40]}; expected a whole number or a text")
    return value


def _shape(
    entry: Mapping[str, object],
    kinds: Mapping[int | str, str],
    image: Mapping[str, object],
    place: str,
) -> LabelledShape:
    key = _id(entry.get("category_id"), f"{place}: category_id")
    if key not in kinds:
        raise LabelError(f"{place}: category_id {key} is in no entry of categories")
    return LabelledShape(kinds[key], _area(entry, image, place), place)


def _area(
    entry: Mapping[str, object], image: Mapping[str, object], place: str
) -> LabelledArea | None:
    segmentation = entry.get("segmentation")
    box = _box(entry.get("bbox"), place)
    if isinstance(segmentation, dict):
        return _runs(segmentation, image, place)
    if not segmentation:
        return box
    rings = []
    for part in array(segmentation, f"{place}: segmentation"):
        values = array(part, f"{place}: segmentation: a polygon")
        rings.append(
            ring_of(
                [number(value, f"{place}: segmentation") for value in values],
                f"{place}: segmentation",
            )
        )
    if box is not None and len(rings) == 1 and _is_box(rings[0], box):
        return box
    area = entry.get("area")
    stated = number(area, f"{place}: area") if area is not None else None
    return PolygonArea(tuple(rings), stated if stated else None)


def _box(value: object, place: str) -> BoxArea | None:
    if not value:
        return None
    sides = [number(each, f"{place}: bbox") for each in array(value, f"{place}: bbox")]
    if len(sides) != 4 or min(sides[2:]) <= 0:
        raise LabelError(f"{place}: bbox is {value}; expected left, top, width and height in px")
    left, top, width, height = sides
    return BoxArea(left, top, left + width, top + height)


def _is_box(ring: Ring, box: BoxArea) -> bool:
    """Return whether a ring has just the four corners of the box."""
    corners = {(x, y) for x in (box.left, box.right) for y in (box.top, box.bottom)}
    points = ring[:-1] if len(ring) == 5 and ring[0] == ring[-1] else ring
    near = {
        corner
        for corner in corners
        for x, y in points
        if abs(x - corner[0]) < _SAME_PX and abs(y - corner[1]) < _SAME_PX
    }
    return len(points) == 4 and near == corners


def _runs(coded: Mapping[str, object], image: Mapping[str, object], place: str) -> RunsArea:
    size = array(coded.get("size"), f"{place}: segmentation: size")
    if len(size) != 2:
        raise LabelError(f"{place}: segmentation: size is {size}; expected height and width")
    height, width = (whole(each, f"{place}: segmentation: size") for each in size)
    stated = size_of(image.get("width"), image.get("height"), place)
    if stated is not None and stated != (width, height):
        raise LabelError(
            f"{place}: segmentation is {width}x{height} and its image {stated[0]}x{stated[1]}; "
            "expected the same size"
        )
    counts = coded.get("counts")
    try:
        if isinstance(counts, str):
            lengths = decode_counts(counts)
        else:
            lengths = tuple(
                whole(each, f"{place}: segmentation: counts")
                for each in array(counts, f"{place}: segmentation: counts")
            )
    except LabelError as error:
        message = str(error)
        raise LabelError(message if message.startswith(place) else f"{place}: {message}") from error
    return RunsArea(lengths, 0, 0, width, height, by_column=True)
