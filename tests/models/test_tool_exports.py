"""Exports that the tools' own libraries wrote, compared with the masks that they were made from.

tests/edge/label_files/tool_exports has the exports, and the scripts that made them.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.data_folder import read_folder
from models.data.dataset import DataError, DataSet
from models.data.layouts import open_dataset
from tests.edge.label_files.tool_exports import drawing
from tests.edge.label_files.tool_exports.drawing import (
    BOXES,
    HOLES,
    KINDS,
    NAMES,
    OUTLINES,
    ROTATED,
    SIZE,
    Mask,
    Shape,
)

EXPORTS = Path(drawing.__file__).parent
Drawn = dict[str, tuple[Shape, ...]]


@dataclass(frozen=True)
class Export:
    """A folder, the name of its format, and what it shows. unnamed: good pictures that the tool
    leaves out of its label files, by number from 1. cut: the tool cuts coordinates to whole px.
    least: IoU, less than 0.99 where the tool itself loses a row of pixels."""

    folder: str
    title: str
    drawn: Drawn
    unnamed: tuple[int, ...] = ()
    cut: bool = False
    least: float = 0.99


READ = [
    Export("datumaro-coco-polygons", "COCO", OUTLINES),
    Export("datumaro-coco-masks", "COCO", HOLES),
    Export("datumaro-coco-boxes", "COCO", BOXES),
    Export("datumaro-cvat", "CVAT", OUTLINES),
    Export("datumaro-cvat-boxes", "CVAT", BOXES),
    Export("datumaro-label_me", "Pascal VOC", OUTLINES),
    Export("datumaro-voc", "Pascal VOC", HOLES, unnamed=(4,)),
    Export("datumaro-voc-boxes", "Pascal VOC", BOXES, unnamed=(3, 4)),
    Export("datumaro-yolo", "YOLO", BOXES),
    Export("datumaro-yolo-ultralytics", "YOLO", BOXES),
    Export("labelme-polygons", "LabelMe", OUTLINES),
    Export("labelme-masks", "LabelMe", HOLES),
    Export("labelme-rectangles", "LabelMe", BOXES),
    Export("labelme-oriented", "LabelMe", ROTATED),
    Export("labelme-coco", "COCO", OUTLINES, cut=True),
    Export("pycocotools", "COCO", HOLES),
    Export("studio-json-polygons", "Label Studio", OUTLINES),
    Export("studio-json-brush", "Label Studio", HOLES),
    Export("studio-json-boxes", "Label Studio", ROTATED),
    Export("studio-json-min-polygons", "Label Studio", OUTLINES),
    Export("studio-json-min-brush", "Label Studio", HOLES),
    Export("studio-json-min-boxes", "Label Studio", ROTATED),
    Export("studio-coco", "COCO", OUTLINES),
    Export("studio-coco-boxes", "COCO", BOXES),
    Export("studio-yolo", "YOLO", OUTLINES),
    Export("studio-yolo-boxes", "YOLO", BOXES),
    Export("studio-yolo-obb", "YOLO", ROTATED),
    # int(0.3333 * 120) is 39: the converter cuts 40 rows to 39.
    Export("studio-voc-boxes", "Pascal VOC", BOXES, unnamed=(3, 4), least=0.97),
    Export("supervision-coco-boxes", "COCO", BOXES),
    Export("supervision-voc-boxes", "Pascal VOC", BOXES),
    Export("supervision-yolo-boxes", "YOLO", BOXES),
]
FROM_CONTOURS = [
    Export("studio-coco-brush", "COCO", HOLES, unnamed=(4,)),
    Export("supervision-coco", "COCO", HOLES),
    Export("supervision-voc", "Pascal VOC", HOLES),
    Export("supervision-yolo", "YOLO", HOLES),
]


def picture_of(sample: str) -> str:
    """Return the name in NAMES of a picture of an export. Label Studio numbers its uploads."""
    name = sample.rpartition("/")[2]
    if name[8:9] == "-":
        return NAMES[int(name[:8], 16) - 1]
    return next((each for each in NAMES if sample.endswith(each)), NAMES[1])


def masks_of(shapes: tuple[Shape, ...], *, cut: bool = False) -> dict[str, Mask]:
    masks: dict[str, Mask] = {}
    for shape in shapes:
        mask = (shape.cut() if cut else shape).mask
        masks[shape.kind] = masks.get(shape.kind, np.zeros(SIZE, np.bool_)) | mask
    return masks


def iou(first: Mask, second: Mask) -> float:
    return float((first & second).sum() / (first | second).sum())


def found_masks(dataset: DataSet, number: int) -> dict[str, Mask]:
    kind_map = dataset.load_kind_map(dataset.samples[number])
    masks = {kind: kind_map == place for place, kind in enumerate(dataset.kinds, start=1)}
    return {kind: mask for kind, mask in masks.items() if mask.any()}


def set_apart(root: Path, unnamed: tuple[int, ...]) -> None:
    """Move the good pictures that the label files do not name, as the refusal advises."""
    with pytest.raises(DataError, match="not named by the labels"):
        open_dataset(root)
    pictures = [path for path in root.rglob("*.png") if "Segmentation" not in str(path)]
    for path in pictures:
        if NAMES.index(picture_of(path.relative_to(root).as_posix())) + 1 in unnamed:
            there = root / "good" / path.relative_to(root)
            there.parent.mkdir(parents=True, exist_ok=True)
            path.replace(there)


def opened(tmp_path: Path, export: Export) -> tuple[Path, DataSet]:
    """Return a copy of an export and its data set, every file of which is read."""
    root = Path(shutil.copytree(EXPORTS / export.folder, tmp_path / export.folder))
    if export.unnamed:
        set_apart(root, export.unnamed)
    dataset = open_dataset(root)
    dataset.verify()
    return root, dataset


@pytest.mark.parametrize("export", READ, ids=lambda export: export.folder)
def test_an_export_gives_the_masks_that_it_was_made_from(tmp_path: Path, export: Export) -> None:
    root, dataset = opened(tmp_path, export)
    assert read_folder(root).form == export.title
    assert len(dataset.samples) == (3 if export.folder.startswith("supervision") else 4)
    assert dataset.kinds == (("dent",) if export.drawn is ROTATED else KINDS)
    for number, sample in enumerate(dataset.samples):
        shapes = export.drawn[picture_of(sample.name)]
        masks, found = masks_of(shapes, cut=export.cut), found_masks(dataset, number)
        assert sample.kinds == tuple(sorted(masks))
        assert set(found) == set(masks)
        for kind, mask in masks.items():
            assert iou(found[kind], mask) >= export.least, (sample.name, kind)
        boxed = [shape.area is not None and shape.area.is_box for shape in sample.shapes]
        assert all(each is (export.drawn in (BOXES, ROTATED)) for each in boxed)


@pytest.mark.parametrize("export", FROM_CONTOURS, ids=lambda export: export.folder)
def test_contours_of_masks_lose_up_to_a_pixel_at_the_rim(tmp_path: Path, export: Export) -> None:
    """These tools write the middle of each pixel at the rim as a point of the outline.

    A reader that takes points for corners of pixels, as pycocotools does, loses up to a pixel right
    and below. Label Studio also loses holes.
    """
    _, dataset = opened(tmp_path, export)
    checked = 0
    for number, sample in enumerate(dataset.samples):
        found = found_masks(dataset, number)
        for shape in HOLES[picture_of(sample.name)]:
            is_filled = export.folder.startswith("studio")
            whole = (Shape(shape.kind, shape.outline) if is_filled else shape).mask
            near = np.ones((3, 3), np.uint8)
            inner = cv2.erode(whole.view(np.uint8), near, borderValue=0) > 0
            outer = cv2.dilate(whole.view(np.uint8), near) > 0
            assert not (found[shape.kind] & ~outer).any()
            assert not (inner & ~found[shape.kind]).any()
            checked += 1
    assert checked == (4 if is_filled else 3)


def test_every_export_is_compared() -> None:
    folders = {path.name for path in EXPORTS.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == {export.folder for export in (*READ, *FROM_CONTOURS)}


def test_exports_are_small_and_name_no_machine() -> None:
    files = [path for path in EXPORTS.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert max(path.stat().st_size for path in files) < 20_000
    texts = [path.read_bytes() for path in files if path.suffix not in (".png", ".py")]
    assert not [text for text in texts if b"/home" in text or b"/tmp" in text]
