"""Exports of Label Studio's converter: run in an environment of its own.

    python -m venv studio && studio/bin/pip install label-studio-sdk==2.1.2
    studio/bin/python tests/edge/label_files/tool_exports/generate_label_studio.py

The tasks have the form in which the server stores them. The converter, which the server calls for
its exports, writes the rest; the run lengths of the brush are those of the SDK. Writes folders
studio-FORMAT beside this file.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from drawing import BOXES, HOLES, KINDS, NAMES, OUTLINES, ROTATED, SIZE, Shape, picture
from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.brush import mask2rle
from PIL import Image

HERE = Path(__file__).parent
CONFIG = """<View><Image name="image" value="$image"/>
<{tag} name="label" toName="image">{labels}</{tag}></View>"""
TAGS = {"polygon": "PolygonLabels", "brush": "BrushLabels", "box": "RectangleLabels"}
EXPORTS = {  # folder: format of the converter, shapes, form
    "json-polygons": ("JSON", OUTLINES, "polygon"),
    "json-brush": ("JSON", HOLES, "brush"),
    "json-boxes": ("JSON", ROTATED, "box"),
    "json-min-polygons": ("JSON_MIN", OUTLINES, "polygon"),
    "json-min-brush": ("JSON_MIN", HOLES, "brush"),
    "json-min-boxes": ("JSON_MIN", ROTATED, "box"),
    "coco": ("COCO", OUTLINES, "polygon"),
    "coco-boxes": ("COCO", BOXES, "box"),
    "coco-brush": ("BRUSH_TO_COCO", HOLES, "brush"),
    "yolo": ("YOLO", OUTLINES, "polygon"),
    "yolo-boxes": ("YOLO", BOXES, "box"),
    "yolo-obb": ("YOLO_OBB", ROTATED, "box"),
    "voc-boxes": ("VOC", BOXES, "box"),
}


def uploaded(number: int, name: str) -> str:
    """Return a name as the server stores an upload; folders are lost."""
    return f"{number:08x}-{Path(name).name.replace(' ', '_')}"


def value_of(shape: Shape, form: str) -> dict[str, Any]:
    height, width = SIZE
    labels = {TAGS[form].lower(): [shape.kind]}
    if form == "brush":
        rle = [int(each) for each in mask2rle(shape.mask.astype(np.uint8) * 255)]
        return {"format": "rle", "rle": rle, **labels}
    if form == "polygon":
        points = [[x / width * 100, y / height * 100] for x, y in shape.outline]
        return {"points": points, "closed": True, **labels}
    assert shape.box is not None
    (x, y), angle = shape.outline[0], shape.box[4]
    sides = {"width": shape.box[2] / width * 100, "height": shape.box[3] / height * 100}
    return {"x": x / width * 100, "y": y / height * 100, **sides, "rotation": angle, **labels}


def task_of(number: int, name: str, shapes: tuple[Shape, ...], form: str) -> dict[str, Any]:
    results = [
        {
            "id": f"r{number}{place}",
            "type": TAGS[form].lower(),
            "value": value_of(shape, form),
            "origin": "manual",
            "to_name": "image",
            "from_name": "label",
            "image_rotation": 0,
            "original_width": SIZE[1],
            "original_height": SIZE[0],
        }
        for place, shape in enumerate(shapes)
    ]
    annotation = {
        "id": number,
        "completed_by": {"id": 1, "email": "ada@example.org"},
        "result": results,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-11-30T08:00:00.000000Z",
        "updated_at": "2026-11-30T08:00:00.000000Z",
        "lead_time": 5.0,
    }
    return {
        "id": number,
        "annotations": [annotation],
        "file_upload": uploaded(number, name),
        "predictions": [],
        "data": {"image": f"/data/upload/1/{uploaded(number, name)}"},
        "meta": {},
        "project": 1,
    }


def main() -> None:
    labels = "".join(f'<Label value="{kind}"/>' for kind in KINDS)
    for name, (form_name, drawn, form) in EXPORTS.items():
        folder = HERE / f"studio-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        uploads = folder / "upload" / "1"
        uploads.mkdir(parents=True)
        for number, file in enumerate(NAMES, start=1):
            Image.fromarray(picture()).save(uploads / uploaded(number, file))
        tasks = [
            task_of(number, file, shapes, form)
            for number, (file, shapes) in enumerate(drawn.items(), start=1)
        ]
        with tempfile.TemporaryDirectory() as temporary:
            source = Path(temporary) / "tasks.json"
            source.write_text(json.dumps(tasks), encoding="utf-8")
            config = CONFIG.format(tag=TAGS[form], labels=labels)
            converter = Converter(
                config, str(folder), upload_dir=str(uploads.parent), download_resources=False
            )
            converter.convert(str(source), str(folder), form_name, is_dir=False)
        with suppress(OSError):
            (folder / "images").rmdir()  # the converter makes it, and leaves it empty


main()
