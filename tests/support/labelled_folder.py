"""One labelled picture in a folder, for tests of what label files hold and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from models.data.layouts import open_dataset
from tests.support.folders import images, mask, put
from tests.support.refused_folders import refusal

SIZE = (40, 50)  # height and width of the pictures of tests.support.folders
SHAPE = mask() > 0  # rows 5 to 9, columns 5 to 11
DENT = [("dent", SHAPE)]


def lines(root: Path) -> list[str]:
    """Return the lines of the refusal, without the line that counts them."""
    told = refusal(root).split("\n")
    return [line.strip() for line in (told[1:] if len(told) > 1 else told)]


def kind_map(root: Path) -> np.ndarray:
    """Return the kind map of the first picture; every file of the folder is read."""
    dataset = open_dataset(root)
    dataset.verify()
    return dataset.load_kind_map(dataset.samples[0])


def labelme(root: Path, *shapes: dict[str, object], **more: object) -> None:
    content = {
        "version": "5.5.0",
        "shapes": [{"label": "dent", **shape} for shape in shapes],
        "imagePath": "000.png",
        "imageData": None,
        **more,
    }
    images(root, 1)
    put(root / "images/000.json", json.dumps(content))


def cvat(root: Path, inner: str) -> None:
    images(root, 1)
    put(
        root / "annotations.xml",
        f'<annotations><image id="0" name="000.png" width="50" height="40">{inner}</image>'
        "</annotations>",
    )


def label_studio(root: Path, *results: dict[str, object], **more: object) -> None:
    sides = {"original_width": 50, "original_height": 40, "image_rotation": 0}
    annotation = {"id": 1, "was_cancelled": False, "result": [{**sides, **r} for r in results]}
    task = {"id": 7, "data": {"image": "/data/upload/000.png"}, "annotations": [annotation], **more}
    images(root, 1)
    put(root / "export.json", json.dumps([task]))


def yolo(root: Path, text: str, names: str = "names: [dent, pit]\n") -> None:
    images(root, 1)
    put(root / "data.yaml", names)
    put(root / "labels/000.txt", text)


def voc(root: Path, inner: str) -> None:
    images(root, 1)
    put(
        root / "Annotations/000.xml",
        f"<annotation><filename>000.png</filename>{inner}</annotation>",
    )
