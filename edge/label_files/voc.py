"""Pascal VOC: XML files with boxes, and pictures of classes in SegmentationClass/.

Source: the development kit of VOC 2012. Written by LabelImg, CVAT, Roboflow and LabelMe's
converter. A box is counted in pixels from 1, both ends included, but several tools write the sides
as they are (`_counting`). Outlines are those of Roboflow, and of the XML form of LabelMe (MIT).
`voc_colours.py` reads the names of colours. SegmentationObject/ numbers the objects of the XML
file; it is read where no file names the colours. `difficult` and `truncated` do not make a defect
sound. The rim that VOC draws around objects (its colour 255) belongs to no defect.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from edge.errors import FrameError
from edge.images import colour_codes, read_image
from edge.label_files.label_text import number, read_xml, ring_of, size_of, text
from edge.label_files.picture_names import PictureIndex, plain
from edge.label_files.shapes import (
    BoxArea,
    ColourArea,
    LabelContent,
    LabelError,
    LabelledArea,
    LabelledPicture,
    LabelledShape,
    PolygonArea,
)
from edge.label_files.voc_colours import BACKGROUND, NAME_FILES, read_colours, voc_colour

NAME = "voc"
TITLE = "Pascal VOC"
GOOD_ENTRY = "an XML file without objects"

CLASS_FOLDERS = ("segmentationclass", "segmentationclasspng")
OBJECT_FOLDERS = ("segmentationobject", "segmentationobjectpng")
COPY_FOLDERS = (  # of LabelMe's converter: the same pictures of classes once more
    "segmentationclassnpy",
    "segmentationclassvisualization",
    "segmentationobjectnpy",
    "segmentationobjectvisualization",
)
_VOID = 0xE0E0C0  # colour 255 of VOC


def read(files: Iterable[Path], index: PictureIndex) -> LabelContent:
    """Return the pictures and shapes of VOC files. Every picture of classes is read once.

    Blocks on the disk. Faults are complaints of the result: one line each.
    """
    files = tuple(files)
    complaints: list[str] = []
    try:
        colours = read_colours([file for file in files if file.name.lower() in NAME_FILES])
    except LabelError as error:
        return LabelContent((), (str(error),))
    drawn = _drawn(files, index, complaints)
    found: dict[Path, LabelledPicture] = {}
    for file in files:
        if file.suffix.lower() != ".xml":
            continue
        try:
            picture = _of_xml(file, index, complaints)
        except LabelError as error:
            complaints.append(str(error))
            continue
        if picture.path in found:
            complaints.append(f"{file}: names {picture.path.name}, as {found[picture.path].place}")
        found[picture.path] = picture
    for path, masks in drawn.items():
        boxed = found.get(path, LabelledPicture(path, str(next(iter(masks.values())))))
        try:
            shapes = _of_masks(masks, colours, boxed.shapes)
        except (LabelError, FrameError) as error:
            complaints.append(str(error))
            continue
        kinds = {shape.kind for shape in shapes}
        rest = tuple(shape for shape in boxed.shapes if shape.kind not in kinds)
        found[path] = LabelledPicture(path, boxed.place, (*shapes, *rest), boxed.size)
    return LabelContent(tuple(found.values()), tuple(complaints))


def _drawn(
    files: Sequence[Path], index: PictureIndex, complaints: list[str]
) -> dict[Path, dict[str, Path]]:
    """Return the pictures of classes and of objects ("class", "object") of each picture."""
    drawn: dict[Path, dict[str, Path]] = defaultdict(dict)
    for file in files:
        parts = tuple(map(plain, file.relative_to(index.root).parts))
        folder = next((n for n, part in enumerate(parts) if folder_role(part)), None)
        if folder is None:
            continue
        role = folder_role(parts[folder])
        try:
            inner = (*parts[folder + 1 : -1], plain(file.stem))
            drawn[index.find_stem(inner, file.name)][role] = file
        except LabelError as error:
            complaints.append(f"{file}: {error}")
    return drawn


def folder_role(name: str) -> str:
    """Return "class" or "object" for a folder of such pictures by its name, else ''."""
    lower = name.lower()
    return "class" if lower in CLASS_FOLDERS else "object" if lower in OBJECT_FOLDERS else ""


def _of_masks(
    masks: Mapping[str, Path], colours: Mapping[int, str] | None, boxes: Sequence[LabelledShape]
) -> list[LabelledShape]:
    """Return a shape for each colour of a picture of classes or objects."""
    kinds = sorted({shape.kind for shape in boxes})
    path = masks.get("class")
    named = dict(colours or {})
    if path is None or (colours is None and len(kinds) != 1):
        path = masks.get("object")
        named = {}
        for number_, shape in enumerate(boxes, start=1):
            named |= {voc_colour(number_): shape.kind, number_ * 0x010101: shape.kind}
    if path is None:
        raise LabelError(
            f"{masks['class']}: nothing names its colours; expected labelmap.txt (label:r,g,b::) "
            "or class_names.txt in the folder"
        )
    pixels = read_image(path)
    shapes = []
    for code in map(int, np.unique(colour_codes(pixels))):
        if code == 0 or (code == _VOID and pixels.ndim == 3):
            continue
        if path is masks.get("class") and colours is None:
            kind = kinds[0]
        elif code in named:
            kind = named[code]
        else:
            raise LabelError(f"{path}: has the colour #{code:06x}, which no class has")
        if kind not in BACKGROUND:
            shapes.append(LabelledShape(kind, ColourArea(path, code), str(path)))
    return shapes


def _of_xml(file: Path, index: PictureIndex, complaints: list[str]) -> LabelledPicture:
    root = read_xml(file)
    if root.tag != "annotation":
        raise LabelError(f"{file}: begins with <{root.tag}>; expected <annotation>")
    path = _picture(file, root, index)
    width, height = (
        root.findtext(f"size/{side}") or root.findtext(f"imagesize/{count}")
        for side, count in (("width", "ncols"), ("height", "nrows"))
    )
    size = size_of(width, height, str(file))
    counting = _counting(root)
    shapes = []
    for position, element in enumerate(root.findall("object")):
        place = f"{file}: object[{position}]"
        if (element.findtext("deleted") or "").strip() == "1":  # LabelMe (MIT) keeps these
            continue
        try:
            kind = text(element.findtext("name"), f"{place}: name")
            shapes.append(LabelledShape(kind, _area(element, counting, place), place))
        except LabelError as error:
            complaints.append(str(error))
    return LabelledPicture(path, str(file), tuple(shapes), size)


def _picture(file: Path, root: Element, index: PictureIndex) -> Path:
    """Return the picture by `filename`, with `folder` where several have it; else by the stem."""
    name = (root.findtext("filename") or "").strip()
    folder = (root.findtext("folder") or "").strip()
    for each in filter(None, (name, f"{folder}/{name}" if folder and name else "")):
        try:
            return index.find(each, file)
        except LabelError:
            continue
    try:
        return index.find_stem((plain(file.stem),), file.name)
    except LabelError as error:
        if name:
            index.find(name, file)
        raise LabelError(f"{file}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Counting:
    """The counting of coordinates in a file. box_px: subtracted from xmin and ymin. point_px: from
    each point of an outline. from_rim: a side at 1 may be the rim."""

    box_px: float = 1.0
    point_px: float = 0.0
    from_rim: bool = False


def _counting(root: Element) -> _Counting:
    """Return the counting of the tool that wrote a file.

    VOC counts the first and the last pixel of a box from 1, and so does Roboflow, which adds 1 to
    the points of an outline too. CVAT writes the sides of a box with decimals. Label Studio and
    LabelImg (`path`) write them cut to whole numbers, LabelImg with 1 in place of 0.
    """
    database = (root.findtext("source/database") or "").strip().lower()
    if database.startswith("roboflow"):
        return _Counting(1.0, 1.0)
    if any("." in (side.text or "") for side in root.findall("object/bndbox/*")):
        return _Counting(0.0)
    if (root.findtext("owner/name") or "").strip().lower() == "label studio":
        return _Counting(0.0)
    return _Counting(0.0, from_rim=True) if root.find("path") is not None else _Counting()


def _outline(outline: Element, counting: _Counting, place: str) -> PolygonArea:
    """Return an outline, of x1, y1, x2, y2, … or of `pt` with x and y."""
    points = outline.findall("pt")
    if points:
        flat = [
            number((point.findtext(axis) or "").strip(), f"{place}: polygon: {axis}")
            for point in points
            for axis in "xy"
        ]
    else:
        flat = [number(each.text, f"{place}: polygon") - counting.point_px for each in outline]
    return PolygonArea((ring_of(flat, f"{place}: polygon"),))


def _area(element: Element, counting: _Counting, place: str) -> LabelledArea:
    outline = element.find("polygon")
    if outline is not None:
        return _outline(outline, counting, place)
    if element.find("segm") is not None:
        raise LabelError(f"{place}: has its mask in another file (segm); expected a polygon")
    box = element.find("bndbox")
    if box is None:
        raise LabelError(f"{place}: has no bndbox; expected a box or a polygon")
    left, top, right, bottom = (
        number(box.findtext(name), f"{place}: {name}") for name in ("xmin", "ymin", "xmax", "ymax")
    )
    if left > right or top > bottom:
        raise LabelError(f"{place}: the box is empty; expected xmin < xmax and ymin < ymax")
    # Some tools count from 0 without a sign of it: their first column would lie outside.
    left, top = (0.0 if side <= 1 and counting.from_rim else side for side in (left, top))
    least = counting.box_px
    return BoxArea(max(left - least, 0.0), max(top - least, 0.0), right, bottom)
