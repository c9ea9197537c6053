"""Label Studio: the exports JSON and JSON-MIN, one file for all tasks.

Source: "Label Studio task format" and the pages of its image tags. Positions are percent of the
picture's sides. A rectangle turns about its first corner, an ellipse about its centre. Read are
rectangles, ellipses, polygons and brushes, and choices that mark the whole picture. A task that
is not annotated, or was skipped, is a fault: it is not known to be good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from edge.images import IMAGE_SUFFIXES
from edge.label_files.label_text import array, number, read_json, ring_of, size_of, table, text
from edge.label_files.picture_names import PictureIndex, readings
from edge.label_files.raster import turned_box
from edge.label_files.shapes import (
    BoxArea,
    BrushArea,
    EllipseArea,
    LabelContent,
    LabelError,
    LabelledArea,
    LabelledPicture,
    LabelledShape,
    PolygonArea,
)

NAME = "label_studio"
TITLE = "Label Studio"
GOOD_ENTRY = "a task with an empty annotation"

_FORMS = ("rectangle", "ellipse", "polygon", "brush")
_LABELS = (*(f"{form}labels" for form in _FORMS), "labels")
_NOTES = ("textarea", "rating", "number", "datetime")  # they mark no defect


def read(files: Iterable[Path], index: PictureIndex) -> LabelContent:
    """Return the pictures and shapes of exports of Label Studio. Blocks on the disk.

    Faults are complaints of the result: one line each.
    """
    pictures: list[LabelledPicture] = []
    complaints: list[str] = []
    for file in files:
        try:
            content = read_json(file)
            tasks = content if isinstance(content, list) else [content]
        except LabelError as error:
            complaints.append(str(error))
            continue
        for position, item in enumerate(tasks):
            place = f"{file}: task {position}"
            try:
                task = table(item, place)
                place = f"{file}: task {task.get('id', position)}"
                results = _results(task, place)
                path = _found(_picture(task, place), file, index, place)
                shapes = _shapes(results, place, complaints)
                size = _size(results, place)
            except LabelError as error:
                complaints.append(str(error))
                continue
            pictures.append(LabelledPicture(path, place, shapes, size))
    return LabelContent(tuple(pictures), tuple(complaints))


def _found(name: str, file: Path, index: PictureIndex, place: str) -> Path:
    try:
        return index.find(name, file, uploaded=True)
    except LabelError as error:
        raise LabelError(f"{place}: {error}") from error


def _picture(task: Mapping[str, object], place: str) -> str:
    """Return the one value of the task's data that names a picture."""
    data = task.get("data")
    values = table(data, f"{place}: data") if data is not None else task
    names = [
        value
        for key, value in values.items()
        if isinstance(value, str) and key != "file_upload" and _is_picture(value)
    ]
    if len(names) != 1:
        raise LabelError(f"{place}: has {len(names)} names of pictures; expected 1")
    return names[0]


def _is_picture(name: str) -> bool:
    return any(parts[-1].lower().endswith(IMAGE_SUFFIXES) for parts in readings(name))


def _results(task: Mapping[str, object], place: str) -> list[Mapping[str, object]]:
    """Return the results of the one annotation that counts."""
    if "annotations" not in task and "completions" not in task:
        return _short_results(task, place)
    listed = task.get("annotations") or task.get("completions") or []
    annotations = [table(each, place) for each in array(listed, f"{place}: annotations")]
    valid = [each for each in annotations if not each.get("was_cancelled")]
    truths = [each for each in valid if each.get("ground_truth")]
    valid = truths if len(truths) == 1 else valid
    if not valid:
        raise LabelError(f"{place}: is not annotated; expected an annotation, empty if it is good")
    if len(valid) > 1:
        raise LabelError(
            f"{place}: has {len(valid)} annotations; expected 1, or one marked as ground truth"
        )
    found = array(valid[0].get("result"), f"{place}: result")
    return [table(each, f"{place}: result") for each in found]


def _short_results(task: Mapping[str, object], place: str) -> list[Mapping[str, object]]:
    """Return the regions of JSON-MIN as results: every tag is a key with a list of regions."""
    if "annotation_id" not in task:
        raise LabelError(f"{place}: has no annotations; expected the export JSON")
    found: list[Mapping[str, object]] = []
    for key, value in task.items():
        if isinstance(value, list):
            for region in value:
                entry = table(region, f"{place}: {key}")
                form = next((each for each in _LABELS if each in entry), "")
                if not form:
                    raise LabelError(f"{place}: {key}: {_listed(entry)}: is not read")
                found.append({"type": form, "value": entry, **_sides(entry)})
        elif isinstance(value, dict) and "choices" in value:
            found.append({"type": "choices", "value": value})
    return found


def _sides(entry: Mapping[str, object]) -> dict[str, object]:
    names = ("original_width", "original_height", "image_rotation")
    return {name: entry[name] for name in names if name in entry}


def _size(results: Iterable[Mapping[str, object]], place: str) -> tuple[int, int] | None:
    sizes = {
        size_of(each.get("original_width"), each.get("original_height"), place) for each in results
    }
    stated = sorted(size for size in sizes if size is not None)
    if len(stated) > 1:
        raise LabelError(f"{place}: states {len(stated)} sizes of one picture; expected one")
    return stated[0] if stated else None


def _shapes(
    results: list[Mapping[str, object]], place: str, complaints: list[str]
) -> tuple[LabelledShape, ...]:
    # With the tags Brush and Labels a region is two results of one id: its form, then its labels.
    named = {each.get("id") for each in results if str(each.get("type")) in _LABELS}
    regions = {each.get("id") for each in results if "original_width" in each and "id" in each}
    shapes: list[LabelledShape] = []
    for position, result in enumerate(results):
        at = f"{place}: result[{position}]"
        form = str(result.get("type"))
        try:
            value = table(result.get("value"), f"{at}: value")
            if form in _NOTES or (form in _FORMS and result.get("id") in named):
                continue
            if form == "choices":
                if "x" not in value and (result.get("id") not in regions or len(results) == 1):
                    shapes += [LabelledShape(kind, None, at) for kind in _names(value, form, at)]
                continue
            if form not in _LABELS:
                raise LabelError(f"{at}: is a {form}, which is not read; expected a region")
            area = _area(value, result, at)
            shapes += [LabelledShape(kind, area, at) for kind in _names(value, form, at)]
        except LabelError as error:
            complaints.append(str(error))
    return tuple(shapes)


def _names(value: Mapping[str, object], form: str, place: str) -> list[str]:
    names = [text(each, f"{place}: {form}") for each in array(value.get(form), f"{place}: {form}")]
    if not names:
        raise LabelError(f"{place}: {form} is empty; expected a label")
    return names


def _area(value: Mapping[str, object], result: Mapping[str, object], place: str) -> LabelledArea:
    if number(result.get("image_rotation") or 0, f"{place}: image_rotation"):
        raise LabelError(
            f"{place}: the picture was turned in Label Studio; expected image_rotation 0"
        )
    if "rle" in value:
        values = array(value["rle"], f"{place}: rle")
        if not all(isinstance(each, int) and 0 <= each < 256 for each in values):
            raise LabelError(f"{place}: rle: expected numbers from 0 to 255")
        return BrushArea(bytes(each for each in values if isinstance(each, int)))
    size = size_of(result.get("original_width"), result.get("original_height"), place)
    if size is None:
        raise LabelError(f"{place}: original_width is missing; expected the size of the picture")
    if "points" in value:
        flat: list[float] = []
        for point in array(value["points"], f"{place}: points"):
            pair = array(point, f"{place}: points")
            if len(pair) != 2:
                raise LabelError(f"{place}: points: expected x and y of each")
            flat += [number(pair[axis], f"{place}: points") * size[axis] / 100 for axis in (0, 1)]
        return PolygonArea((ring_of(flat, f"{place}: points"),))
    x = number(value.get("x"), f"{place}: x") * size[0] / 100
    y = number(value.get("y"), f"{place}: y") * size[1] / 100
    angle_deg = number(value.get("rotation") or 0, f"{place}: rotation")
    if "radiusX" in value:
        radius_x = number(value.get("radiusX"), f"{place}: radiusX") * size[0] / 100
        radius_y = number(value.get("radiusY"), f"{place}: radiusY") * size[1] / 100
        return EllipseArea(x, y, radius_x, radius_y, angle_deg)
    width = number(value.get("width"), f"{place}: width") * size[0] / 100
    height = number(value.get("height"), f"{place}: height") * size[1] / 100
    if not angle_deg:
        return BoxArea(x, y, x + width, y + height)
    return PolygonArea((turned_box(x, y, width, height, angle_deg, pivot=(x, y)),), is_box=True)


def _listed(entry: Mapping[str, object]) -> str:
    return "a region with " + ", ".join(sorted(entry)[:6])
