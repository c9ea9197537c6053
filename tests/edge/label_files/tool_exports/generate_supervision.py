"""Exports of Roboflow's supervision, and run lengths of pycocotools: run in an own environment.

    python -m venv roboflow && roboflow/bin/pip install supervision==0.31.2 pycocotools==2.0.11
    roboflow/bin/python tests/edge/label_files/tool_exports/generate_supervision.py

Writes folders supervision-FORMAT and pycocotools beside this file. supervision names a picture
without its folder, so that only three of the pictures are exported.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import supervision as sv
from drawing import BOXES, HOLES, KINDS, NAMES, SIZE, Shape, picture
from pycocotools import mask as coco_mask

HERE = Path(__file__).parent
FILES = (NAMES[0], NAMES[1], NAMES[3])


def detections(shapes: tuple[Shape, ...], *, masks: bool) -> sv.Detections:
    if not shapes:
        return sv.Detections.empty()
    drawn = np.stack([shape.mask for shape in shapes])
    sides = []
    for shape in shapes:
        rows, cols = np.nonzero(shape.mask)
        sides.append([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1])
    return sv.Detections(
        xyxy=np.array(sides, np.float64),
        mask=drawn if masks else None,
        class_id=np.array([KINDS.index(shape.kind) for shape in shapes]),
    )


def dataset(
    folder: Path, drawn: dict[str, tuple[Shape, ...]], *, masks: bool
) -> sv.DetectionDataset:
    paths, found = [], {}
    for name in FILES:
        path = folder / "images" / Path(name).name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", picture())[1].tobytes())
        paths.append(str(path))
        found[str(path)] = detections(drawn[name], masks=masks)
    return sv.DetectionDataset(classes=list(KINDS), images=paths, annotations=found)


def run_lengths(folder: Path) -> None:
    """A COCO file whose masks are encoded by pycocotools."""
    images, annotations = [], []
    for number, (name, shapes) in enumerate(HOLES.items()):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", picture())[1].tobytes())
        images.append({"id": number, "file_name": name, "height": SIZE[0], "width": SIZE[1]})
        for shape in shapes:
            coded = coco_mask.encode(np.asfortranarray(shape.mask.astype(np.uint8)))
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": KINDS.index(shape.kind),
                    "iscrowd": 1,
                    "area": int(coco_mask.area(coded)),
                    "bbox": coco_mask.toBbox(coded).tolist(),
                    "segmentation": {"size": coded["size"], "counts": coded["counts"].decode()},
                }
            )
    kinds = [{"id": number, "name": kind} for number, kind in enumerate(KINDS)]
    content = {"images": images, "annotations": annotations, "categories": kinds}
    (folder / "labels.json").write_text(json.dumps(content), encoding="utf-8")


def main() -> None:
    for name in ("coco", "coco-boxes", "yolo", "yolo-boxes", "voc", "voc-boxes"):
        folder = HERE / f"supervision-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        boxes = name.endswith("boxes")
        drawn = dataset(folder, BOXES if boxes else HOLES, masks=not boxes)
        if name.startswith("coco"):
            drawn.as_coco(annotations_path=str(folder / "labels.json"))
        elif name.startswith("yolo"):
            drawn.as_yolo(
                annotations_directory_path=str(folder / "labels"),
                data_yaml_path=str(folder / "data.yaml"),
            )
        else:
            drawn.as_pascal_voc(annotations_directory_path=str(folder / "annotations"))
    folder = HERE / "pycocotools"
    shutil.rmtree(folder, ignore_errors=True)
    run_lengths(folder)


main()
