"""Folders with labels in a form that is not read: training and demo refuse them.

Forms that are read, and their faults, are in test_data_labels_refused.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.demo.parts import find_demo_pictures
from models.data.layouts import open_dataset
from tests.support.folders import images, put
from tests.support.refused_folders import DRAW, refusal


@pytest.mark.parametrize(
    ("file", "content", "form"),
    [
        ("via.json", {"_via_img_metadata": {}}, "VGG Image Annotator"),
        ("images/000.png.json", {"objects": [], "size": {}}, "Supervisely"),
        ("boxes.json", {"000.png": {"bbox": [1, 2, 3, 4]}}, "drawn"),
        ("shapes.jsonl", {"shapes": [], "file": "000.png"}, "LabelMe"),
        ("images/000.xml", "<root><object/></root>", ""),
    ],
)
def test_labels_of_other_programs(tmp_path: Path, file: str, content: object, form: str) -> None:
    images(tmp_path)
    put(tmp_path / file, content if isinstance(content, str) else json.dumps(content))
    assert refusal(tmp_path) == (
        f"ROOT/{file}: looks like {f'{form} labels'.strip()} and would not be read, so that every "
        f"picture would be a good part; {DRAW}, or move what is no label out of the folder"
    )


@pytest.mark.parametrize(
    "name",
    ["images/000.npy", "images/000.mat", "images/000.hobj", "set.hdict", "gt.npz", "labels.xlsx"],
)
def test_files_of_numbers(tmp_path: Path, name: str) -> None:
    images(tmp_path)
    put(tmp_path / name, b"\x00")
    assert refusal(tmp_path).startswith(f"ROOT/{name}: looks like labels and would not be read")


@pytest.mark.parametrize(
    "text",
    [
        "file,defective\n000.png,1\n001.png,0\n",
        "file;defective\r\nimages\\000.png;1\r\n",
        "id,label\n000,1\n001,0\n",
        "000.png 1\n001.png 0\n",
    ],
)
@pytest.mark.parametrize("name", ["labels.csv", "train.txt", "images/list.tsv"])
def test_a_table_of_labels(tmp_path: Path, name: str, text: str) -> None:
    images(tmp_path)
    put(tmp_path / name, text)
    assert refusal(tmp_path) == (
        f"ROOT/{name}: looks like a table of labels and would not be read, so that every picture "
        "would be a good part; expected the pictures sorted into images/good/ and images/KIND/ "
        "(images/bad/), or move what is no label out of the folder"
    )


@pytest.mark.parametrize("name", ["notes.txt", "images/readme.txt", "camera.json", "list.csv"])
def test_what_is_no_label_does_not_stop(tmp_path: Path, name: str) -> None:
    images(tmp_path)
    texts = {"camera.json": '{"exposure_us": 80}', "list.csv": "000.png\n001.png\n"}
    put(tmp_path / name, texts.get(name, "a picture like 000.png is good"))
    assert len(open_dataset(tmp_path).samples) == len(find_demo_pictures(tmp_path)) == 4


@pytest.mark.parametrize("name", ["Groups.csv", "KINDS.CSV", "images/kinds.csv"])
def test_a_table_that_is_called_otherwise_or_lies_elsewhere(tmp_path: Path, name: str) -> None:
    images(tmp_path)
    put(tmp_path / name, "000.png,1\n")
    told = f"ROOT/{name}: is not read; expected ROOT/{Path(name).name.lower()}"
    assert refusal(tmp_path) == told


def test_labels_in_sorted_folders(tmp_path: Path) -> None:
    images(tmp_path, 3, "good")
    images(tmp_path, 2, "bad")
    put(tmp_path / "bad/000.json", '{"regions": []}')
    assert refusal(tmp_path).startswith("ROOT/bad/000.json: looks like VGG Image Annotator labels")


@pytest.mark.parametrize("text", ["1", "scratch\n", "12 30 40 60 scratch 0\n", "1,2,3,4,dent\n"])
def test_a_text_beside_each_picture_that_says_a_class_or_a_box(tmp_path: Path, text: str) -> None:
    images(tmp_path)
    put(tmp_path / "images/000.txt", text)
    assert refusal(tmp_path).startswith("ROOT/images/000.txt: looks like labels and would not be")


def test_what_a_camera_writes_beside_each_picture_does_not_stop(tmp_path: Path) -> None:
    images(tmp_path)
    put(tmp_path / "images/000.txt", "exposure: 80 us\ngain: 1.5\ntaken: 2024-05-01 12:00\n")
    assert len(open_dataset(tmp_path).samples) == 4
