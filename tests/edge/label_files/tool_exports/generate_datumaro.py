"""Exports of datumaro, the library by which CVAT exports: run in an environment of its own.

    python -m venv datumaro && datumaro/bin/pip install datumaro==1.13.12
    datumaro/bin/python tests/edge/label_files/tool_exports/generate_datumaro.py

Writes folders datumaro-FORMAT beside this file.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import datumaro as dm
import numpy as np
from drawing import BOXES, HOLES, KINDS, OUTLINES, Shape, picture

HERE = Path(__file__).parent
EXPORTS = {  # folder: exporter, the shapes, their form, and options of the exporter
    "coco-polygons": ("coco_instances", OUTLINES, "polygon", {}),
    "coco-masks": ("coco_instances", HOLES, "mask", {"segmentation_mode": "mask"}),
    "coco-boxes": ("coco_instances", BOXES, "box", {}),
    "cvat": ("cvat", OUTLINES, "polygon", {}),
    "cvat-boxes": ("cvat", BOXES, "box", {}),
    "label_me": ("label_me", OUTLINES, "polygon", {}),
    "voc": ("voc", HOLES, "mask", {"label_map": "source"}),
    "voc-boxes": ("voc_detection", BOXES, "box", {}),
    "yolo": ("yolo", BOXES, "box", {}),
    "yolo-ultralytics": ("yolo_ultralytics", BOXES, "box", {}),
}


def annotations(shapes: tuple[Shape, ...], form: str) -> list[dm.Annotation]:
    found: list[dm.Annotation] = []
    for number, shape in enumerate(shapes, start=1):
        label = KINDS.index(shape.kind)
        if form == "polygon":
            flat = [value for point in shape.outline for value in point]
            found.append(dm.Polygon(flat, label=label, id=number, group=number))
        elif form == "mask":
            found.append(dm.Mask(shape.mask.astype(np.uint8), label=label, id=number, group=number))
        else:
            assert shape.box is not None
            found.append(dm.Bbox(*shape.box[:4], label=label, id=number, group=number))
    return found


def main() -> None:
    for name, (exporter, drawn, form, options) in EXPORTS.items():
        items = [
            dm.DatasetItem(
                id=str(Path(file).with_suffix("")),
                subset="val" if name == "yolo-ultralytics" and number % 2 else "train",
                media=dm.Image.from_numpy(np.repeat(picture()[:, :, None], 3, 2), ext=".png"),
                annotations=annotations(shapes, form),
            )
            for number, (file, shapes) in enumerate(drawn.items())
        ]
        dataset = dm.Dataset.from_iterable(items, categories=list(KINDS))
        folder = HERE / f"datumaro-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        dataset.export(str(folder), exporter, save_media=True, **options)


main()
