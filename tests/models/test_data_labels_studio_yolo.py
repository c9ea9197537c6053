"""Regions of Label Studio, lines of YOLO, and the faults of both."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.data_folder import read_folder, unread_lines
from models.data.layouts import open_dataset
from models.data.summary import account
from tests.support import label_exports as exports
from tests.support.folders import images, picture, put
from tests.support.labelled_folder import (
    SHAPE,
    SIZE,
    kind_map,
    label_studio,
    lines,
    yolo,
)

SQUARE = [[5, 5], [15, 5], [15, 15], [5, 15]]


def square() -> np.ndarray:
    found = np.zeros(SIZE, np.bool_)
    found[5:15, 5:15] = True
    return found


def test_label_studio_rectangles_and_ellipses(tmp_path: Path) -> None:
    """A rectangle turns about its first corner (labelstud.io, RectangleLabels)."""
    label_studio(
        tmp_path,
        {
            "type": "rectanglelabels",
            "value": {
                "x": 40, "y": 25, "width": 20, "height": 10, "rotation": 90,
                "rectanglelabels": ["dent"],
            },
        },
        {
            "type": "ellipselabels",
            "value": {
                "x": 80, "y": 50, "radiusX": 10, "radiusY": 25, "rotation": 0,
                "ellipselabels": ["pit"],
            },
        },
    )  # fmt: skip
    found = kind_map(tmp_path)
    assert (found[10:20, 16:20] == 1).all()
    assert (found == 1).sum() == 40
    rows, cols = np.nonzero(found == 2)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (10, 29, 35, 44)


def test_label_studio_regions_with_labels_apart_and_choices(tmp_path: Path) -> None:
    """The tags Brush and Labels write two results of one id; choices mark the whole picture."""
    brush = {"format": "rle", "rle": exports.brush(SHAPE)}
    label_studio(
        tmp_path,
        {"id": "a", "type": "brush", "value": brush},
        {"id": "a", "type": "labels", "value": {**brush, "labels": ["dent"]}},
        {"id": "b", "type": "choices", "value": {"choices": ["NG"]}},
        {"id": "c", "type": "textarea", "value": {"text": ["see the edge"]}},
    )
    assert np.array_equal(kind_map(tmp_path) > 0, SHAPE)
    label_studio(tmp_path, {"type": "choices", "value": {"choices": ["NG"]}})
    assert open_dataset(tmp_path).samples[0].unmasked


def test_label_studio_json_min(tmp_path: Path) -> None:
    images(tmp_path, 2)
    region = {
        "original_width": 50,
        "original_height": 40,
        "points": [[10, 12.5], [30, 12.5], [30, 37.5], [10, 37.5]],
        "polygonlabels": ["dent"],
    }
    tasks = [
        {"image": "/data/000.png", "id": 1, "label": [region], "annotator": 1, "annotation_id": 5},
        {"image": "/data/001.png", "id": 2, "annotator": 1, "annotation_id": 6, "lead_time": 2.0},
    ]
    put(tmp_path / "min.json", json.dumps(tasks))
    assert np.array_equal(kind_map(tmp_path) > 0, square())
    assert [sample.is_good for sample in open_dataset(tmp_path).samples] == [False, True]


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"type": "keypointlabels", "value": {}}, "result[0]: is a keypointlabels, which is not"),
        ({"type": "brush", "value": {}}, "result[0]: is a brush, which is not read"),
        (
            {"type": "brushlabels", "value": {"rle": [1, 300], "brushlabels": ["a"]}},
            "result[0]: rle: expected numbers from 0 to 255",
        ),
        (
            {"type": "polygonlabels", "value": {"points": SQUARE, "polygonlabels": []}},
            "result[0]: polygonlabels is empty; expected a label",
        ),
        (
            {
                "type": "polygonlabels",
                "value": {"points": SQUARE, "polygonlabels": ["a"]},
                "image_rotation": 90,
            },
            "result[0]: the picture was turned in Label Studio; expected image_rotation 0",
        ),
        ({"original_width": 99, "type": "rating", "value": {}}, "states 99x40 for 000.png"),
    ],
)
def test_faults_of_label_studio(tmp_path: Path, result: dict[str, object], told: str) -> None:
    label_studio(tmp_path, result)
    (line,) = lines(tmp_path)
    assert line.startswith(f"ROOT/export.json: task 7: {told}")


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        ([], "is not annotated; expected an annotation, empty if it is good"),
        ([{"was_cancelled": True, "result": []}], "is not annotated"),
        ([{"result": []}, {"result": []}], "has 2 annotations; expected 1, or one marked as"),
    ],
)
def test_tasks_without_one_annotation(tmp_path: Path, annotations: object, told: str) -> None:
    label_studio(tmp_path, annotations=annotations, predictions=[{"result": []}])
    assert lines(tmp_path)[0].startswith(f"ROOT/export.json: task 7: {told}")


def test_the_annotation_that_is_the_ground_truth(tmp_path: Path) -> None:
    label_studio(tmp_path, annotations=[{"result": []}, {"result": [], "ground_truth": True}])
    assert open_dataset(tmp_path).samples[0].is_good


def test_yolo_boxes_and_rotated_boxes(tmp_path: Path) -> None:
    yolo(tmp_path, "1 0.2 0.25 0.2 0.25\n")
    assert np.array_equal(kind_map(tmp_path) > 0, square())
    yolo(tmp_path, "1 0.1 0.125 0.3 0.125 0.3 0.375 0.1 0.375\n")
    assert np.array_equal(kind_map(tmp_path) > 0, square())
    (sample,) = open_dataset(tmp_path).samples
    assert sample.shapes[0].area is not None
    assert sample.shapes[0].area.is_box
    yolo(tmp_path, "1 0.1 0.125 0.3 0.125 0.3 0.375 0.1 0.375\n0 0.5 0.5 0.7 0.5 0.6 0.7\n")
    assert not any(shape.area.is_box for shape in open_dataset(tmp_path).samples[0].shapes)


@pytest.mark.parametrize(
    ("text", "names", "told"),
    [
        ("2 0.5 0.5 0.1 0.1", "names: [a, b]", "class '2' has no name; expected 0 to 1"),
        ("1 0.5 0.5 0.1 0.1", "names: {0: a}", "class '1' has no name; expected 0 to 0"),
        ("0 0.5 0.5 0.1 0.1 0.93", "names: [a]", "has 5 numbers after the class; expected 4"),
        ("0 0.5 0.5 0 0.1", "names: [a]", "the box is empty; expected a width and height above"),
        ("0 20 20 10 10", "names: [a]", "lies at 750 600 1250 1000 (left, top, right, bottom)"),
    ],
)
def test_faults_of_yolo(tmp_path: Path, text: str, names: str, told: str) -> None:
    yolo(tmp_path, f"\n{text}\n", names)
    (line,) = lines(tmp_path)
    assert line.startswith(f"ROOT/labels/000.txt: line 2: {told}")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("names: [", "is no valid YAML: "),
        ("nc: 2", "has no names; expected names: with one for each class"),
        ("names: [a]\nkpt_shape: [17, 3]", "is of key points (kpt_shape), which have no area"),
        ("names: {x: a}", "names is 'x'; expected a number"),
    ],
)
def test_faults_of_data_yaml(tmp_path: Path, names: str, told: str) -> None:
    yolo(tmp_path, "", names)
    assert lines(tmp_path)[0].startswith(f"ROOT/data.yaml: {told}")


def test_names_of_classes_of_yolo(tmp_path: Path) -> None:
    yolo(tmp_path, "1 0.2 0.25 0.2 0.25\n")
    put(tmp_path / "classes.txt", "dent\nscratch\n")
    assert lines(tmp_path)[0].startswith("ROOT/data.yaml: names other classes than ROOT/classes")
    (tmp_path / "data.yaml").unlink()
    assert open_dataset(tmp_path).kinds == ("scratch",)
    (tmp_path / "classes.txt").unlink()
    assert lines(tmp_path)[0].startswith("ROOT: has YOLO labels without the names of their classes")


def test_files_of_darknet_and_caches(tmp_path: Path) -> None:
    """As CVAT exports YOLO 1.1: obj.data, obj.names, train.txt and obj_train_data/."""
    put(tmp_path / "obj_train_data/000.png", picture())
    put(tmp_path / "obj_train_data/000.txt", "0 0.2 0.25 0.2 0.25\n")
    put(tmp_path / "obj.names", "dent\n")
    put(tmp_path / "obj.data", "classes = 1\nnames = data/obj.names\ntrain = data/train.txt\n")
    put(tmp_path / "train.txt", "data/obj_train_data/000.png\n")
    put(tmp_path / "labels.cache", b"\0")
    assert np.array_equal(kind_map(tmp_path) > 0, square())
    assert unread_lines(tmp_path, read_folder(tmp_path).unread) == (
        "labels.cache: is a cache of Ultralytics",
        "obj.data: names the files of a YOLO export",
        "train.txt: is no picture",
    )


def test_a_label_without_a_picture(tmp_path: Path) -> None:
    yolo(tmp_path, "")
    put(tmp_path / "labels/009.txt", "")
    put(tmp_path / "labels/notes.txt", "drawn by two people")
    assert lines(tmp_path) == ["ROOT/labels/009.txt: has no picture; expected one named 009"]


def test_yolo_files_of_label_studio(tmp_path: Path) -> None:
    """Its export has classes.txt, notes.json, images/ and labels/, all with upload prefixes."""
    images(tmp_path, 1)
    put(tmp_path / "labels/0a1b2c3d-000.txt", "0 0.2 0.25 0.2 0.25\n")
    put(tmp_path / "classes.txt", "dent\n")
    put(tmp_path / "notes.json", json.dumps({"categories": [{"id": 0, "name": "dent"}]}))
    put(tmp_path / "kinds.csv", "colour,kind\n")
    assert np.array_equal(kind_map(tmp_path) > 0, square())
    assert unread_lines(tmp_path, read_folder(tmp_path).unread) == (
        "kinds.csv: names the colours of masks; labels.toml names classes of label files",
        "notes.json: repeats the classes of a YOLO export",
    )
    (summary,) = [line for line in account(open_dataset(tmp_path)) if "boxes" in line]
    assert summary == "bad, with boxes in place of masks: 1; weak labels of their defects"


def test_a_machine_without_pyyaml_is_told_the_other_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yolo(tmp_path, "0 0.2 0.25 0.2 0.25\n")
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert lines(tmp_path)[0].startswith("ROOT/data.yaml: PyYAML is not installed; expected it")
    (tmp_path / "data.yaml").unlink()
    put(tmp_path / "classes.txt", "dent\nscratch\n")
    assert open_dataset(tmp_path).kinds == ("dent",)
