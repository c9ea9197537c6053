"""YOLO: a text file for each picture, and the names of the classes in one file.

Source: the pages on detection, segmentation and oriented boxes of Ultralytics' documentation, and
the files of Darknet (`obj.names`). A line is a class and numbers from 0 to 1: a box (centre, width,
height), or the points of an outline. Where every outline of the folder is a rectangle of four
corners, these are rotated boxes. An empty text file marks a good part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from edge.errors import FrameError
from edge.images import read_size
from edge.label_files.label_text import number, read_bytes, read_lines, ring_of, text
from edge.label_files.picture_names import Parts, PictureIndex, plain
from edge.label_files.shapes import (
    BoxArea,
    LabelContent,
    LabelError,
    LabelledArea,
    LabelledPicture,
    LabelledShape,
    PolygonArea,
    Ring,
)

NAME = "yolo"
TITLE = "YOLO"
GOOD_ENTRY = "an empty text file"

NAME_FILES = ("classes", "obj", "predefined_classes", "classnames")  # stems of .txt and .names
_MOST_YAML_BYTES = 1 << 18
_CLASS = re.compile(r"\d{1,6}")
_SQUARE = 0.02  # largest cosine of a corner of a rectangle whose points were rounded


def read(files: Iterable[Path], index: PictureIndex) -> LabelContent:
    """Return the pictures and shapes of YOLO files. Blocks on the disk.

    The size of each picture is read from its file. Faults are complaints of the result.
    """
    files = tuple(files)
    complaints: list[str] = []
    named = [file for file in files if is_name_file(file)]
    try:
        classes = _classes(named, index.root)
    except LabelError as error:
        return LabelContent((), (str(error),))
    pictures: list[LabelledPicture] = []
    for file in files:
        if file in named or file.suffix.lower() != ".txt":
            continue
        try:
            path = _found(file, index)
            size = read_size(path)
        except (LabelError, FrameError) as error:
            complaints.append(str(error))
            continue
        try:
            shapes = _shapes(file, size, classes, complaints)
        except LabelError as error:
            complaints.append(str(error))
            continue
        pictures.append(LabelledPicture(path, str(file), shapes))
    return LabelContent(_boxes_marked(pictures), tuple(complaints))


def is_name_file(path: Path) -> bool:
    """Return whether a file names the classes, by its name."""
    suffix, stem = path.suffix.lower(), path.stem.lower()
    return suffix in (".yaml", ".yml", ".names") or (suffix == ".txt" and stem in NAME_FILES)


def _found(file: Path, index: PictureIndex) -> Path:
    """Return the picture of a label file: beside it, or in images/ in place of labels/."""
    parts = [plain(part) for part in file.relative_to(index.root).parts]
    stem = Path(parts[-1]).stem
    for number_ in range(len(parts) - 2, -1, -1):
        if parts[number_].lower() == "labels":
            parts[number_] = "images"
            break
    found: Parts = (*parts[:-1], stem)
    try:
        return index.find_stem(found, file.name)
    except LabelError as error:
        raise LabelError(f"{file}: {error}") from error


def _classes(files: Iterable[Path], root: Path) -> dict[int, str]:
    """Return the names by number. Several files must agree. Raises LabelError."""
    found: dict[int, str] = {}
    first: Path | None = None
    for file in sorted(files):
        if file.suffix.lower() in (".yaml", ".yml"):
            names = _yaml_names(file)
        else:
            lines = [line.strip() for line in read_lines(file) if line.strip()]
            names = dict(enumerate(lines))
        if not names:
            continue
        if first is not None and names != found:
            raise LabelError(f"{file}: names other classes than {first}; expected the same")
        found, first = names, file
    if first is None:
        raise LabelError(
            f"{root}: has YOLO labels without the names of their classes; expected data.yaml with "
            "names, or classes.txt with one name a line"
        )
    return found


def _yaml_names(file: Path) -> dict[int, str]:
    try:
        import yaml  # for this one file of one format; 30 ms
    except ImportError as error:  # a station has no PyYAML
        raise LabelError(
            f"{file}: PyYAML is not installed; expected it (pip install pyyaml), or classes.txt "
            "with a class on each line"
        ) from error
    try:
        content = yaml.safe_load(read_bytes(file, _MOST_YAML_BYTES).decode("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        line = str(error).splitlines()[0]
        raise LabelError(f"{file}: is no valid YAML: {line}") from error
    if not isinstance(content, dict):
        raise LabelError(f"{file}: holds no keys; expected names of the classes")
    if "kpt_shape" in content:
        raise LabelError(f"{file}: is of key points (kpt_shape), which have no area")
    names = content.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        raise LabelError(f"{file}: has no names; expected names: with one for each class")
    return {
        int(number(key, f"{file}: names")): text(str(name), f"{file}: names")
        for key, name in names.items()
    }


def _shapes(
    file: Path, size: tuple[int, int], classes: Mapping[int, str], complaints: list[str]
) -> tuple[LabelledShape, ...]:
    shapes = []
    for position, line in enumerate(read_lines(file), start=1):
        if not line.strip():
            continue
        place = f"{file}: line {position}"
        first, *rest = line.split()
        try:
            if not _CLASS.fullmatch(first) or int(first) not in classes:
                raise LabelError(
                    f"{place}: class {first!r} has no name; expected 0 to {len(classes) - 1}"
                )
            values = [number(each, place) for each in rest]
            shapes.append(LabelledShape(classes[int(first)], _area(values, size, place), place))
        except LabelError as error:
            complaints.append(str(error))
    return tuple(shapes)


def _area(values: list[float], size: tuple[int, int], place: str) -> LabelledArea:
    width, height = size
    if len(values) == 4:
        x, y, box_width, box_height = values
        if min(box_width, box_height) <= 0:
            raise LabelError(f"{place}: the box is empty; expected a width and height above 0")
        return BoxArea(
            (x - box_width / 2) * width,
            (y - box_height / 2) * height,
            (x + box_width / 2) * width,
            (y + box_height / 2) * height,
        )
    if len(values) % 2 or len(values) < 6:
        raise LabelError(
            f"{place}: has {len(values)} numbers after the class; expected 4 for a box, or x and y "
            "of 3 points or more (a confidence, as of predictions, is not read)"
        )
    scaled = [value * size[number_ % 2] for number_, value in enumerate(values)]
    return PolygonArea((ring_of(scaled, place),))


def _boxes_marked(pictures: list[LabelledPicture]) -> tuple[LabelledPicture, ...]:
    """Return the pictures with rotated boxes marked, where every outline is a rectangle."""
    areas = [shape.area for picture in pictures for shape in picture.shapes]
    rings = [area.rings[0] for area in areas if isinstance(area, PolygonArea)]
    if not rings or not all(map(_is_rectangle, rings)):
        return tuple(pictures)
    return tuple(
        replace(picture, shapes=tuple(map(_as_box, picture.shapes))) for picture in pictures
    )


def _as_box(shape: LabelledShape) -> LabelledShape:
    if not isinstance(shape.area, PolygonArea):
        return shape
    return replace(shape, area=replace(shape.area, is_box=True))


def _is_rectangle(ring: Ring) -> bool:
    if len(ring) != 4:
        return False
    for number_ in range(4):
        (x0, y0), (x1, y1), (x2, y2) = (ring[(number_ + step) % 4] for step in range(3))
        ax, ay, bx, by = x1 - x0, y1 - y0, x2 - x1, y2 - y1
        lengths = (ax * ax + ay * ay) ** 0.5 * (bx * bx + by * by) ** 0.5
        if lengths == 0 or abs(ax * bx + ay * by) > _SQUARE * lengths:
            return False
    return True
