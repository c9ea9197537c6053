"""Files of LabelMe and of its converter to COCO: run in an environment of its own.

    python -m venv labelme && labelme/bin/pip install labelme==6.3.1 labelme2coco==0.2.6
    labelme/bin/python tests/edge/label_files/tool_exports/generate_labelme.py

LabelMe's own functions write the files and encode the masks. Writes folders labelme-FORMAT beside
this file.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from drawing import BOXES, HOLES, OUTLINES, ROTATED, SIZE, Shape, picture
from labelme import utils
from labelme._label_file import write_label_file
from labelme2coco import convert
from PIL import Image

HERE = Path(__file__).parent
EXPORTS = {"polygons": OUTLINES, "masks": HOLES, "rectangles": BOXES, "oriented": ROTATED}


def shape_of(shape: Shape, form: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"label": shape.kind, "group_id": None, "description": "", "flags": {}}
    if form == "masks":
        rows, cols = np.nonzero(shape.mask)
        top, bottom, left, right = rows.min(), rows.max(), cols.min(), cols.max()
        window = shape.mask[top : bottom + 1, left : right + 1]
        corners = [[float(left), float(top)], [float(right), float(bottom)]]
        coded = utils.img_arr_to_b64(window.astype(np.uint8))
        return {**entry, "points": corners, "shape_type": "mask", "mask": coded}
    if form == "rectangles":
        points = [list(map(float, shape.outline[0])), list(map(float, shape.outline[2]))]
        return {**entry, "points": points, "shape_type": "rectangle", "mask": None}
    kind = "polygon" if form == "polygons" else "oriented_rectangle"
    points = [list(map(float, point)) for point in shape.outline]
    return {**entry, "points": points, "shape_type": kind, "mask": None}


def main() -> None:
    for form, drawn in EXPORTS.items():
        folder = HERE / f"labelme-{form}"
        shutil.rmtree(folder, ignore_errors=True)
        for name, shapes in drawn.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture()).save(path)
            write_label_file(
                str(path.with_suffix(".json")),
                shapes=[shape_of(shape, form) for shape in shapes],
                image_path=path.name,
                image_height=SIZE[0],
                image_width=SIZE[1],
                image_data=path.read_bytes() if form == "polygons" else None,
            )
    os.chdir(HERE)  # the converter writes the paths that it is given
    folder = Path("labelme-coco")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree("labelme-polygons", folder)
    convert(str(folder), str(folder))
    for path in folder.rglob("*.json"):
        if path.name != "dataset.json":
            path.unlink()


main()
