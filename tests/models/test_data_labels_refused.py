"""Faults of label files: each is one clear line, and no picture becomes a good part by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.data_folder import read_folder, unread_lines
from models.data.layouts import open_dataset
from tests.support import label_exports as exports
from tests.support.folders import images, mask, picture, put
from tests.support.labelled_folder import DENT, SHAPE, SIZE, lines

EMPTY_COCO = {"images": [], "annotations": [], "categories": []}


def entry(name: str = "000.png", number: int = 1, **more: object) -> dict[str, object]:
    return {"id": number, "file_name": name, "width": 50, "height": 40, **more}


def coco(root: Path, *annotations: dict[str, object], **more: object) -> None:
    """One picture with annotations, in a COCO file."""
    content = {
        "images": [entry()],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, **each} for each in annotations],
        "categories": [{"id": 1, "name": "dent"}],
        **more,
    }
    images(root, 1)
    put(root / "a.json", json.dumps(content))


BOX = {"bbox": [5, 5, 10, 10]}
SQUARE = [5, 5, 15, 5, 15, 15, 5, 15]


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        ({**BOX, "category_id": 7}, "category_id 7 is in no entry of categories"),
        ({**BOX, "image_id": 9}, "image_id 9 is in no entry of images"),
        ({"bbox": [5, 5, 10]}, "bbox is [5, 5, 10]; expected left, top, width and height in px"),
        ({"bbox": [5, 5, 0, 10]}, "expected left, top, width and height in px"),
        ({"bbox": [5, "x", 1, 1]}, "bbox is 'x'; expected a number"),
        ({"segmentation": [SQUARE[:4]]}, "has 4 numbers; expected x and y of 3 points or more"),
        ({"segmentation": [[*SQUARE, 1]]}, "has 9 numbers; expected x and y of 3 points"),
        ({"segmentation": [[1e300] * 6]}, "segmentation is 1e+300; expected a number"),
        ({"segmentation": "x"}, "segmentation is 'x'; expected an array"),
        (
            {"segmentation": {"size": [9, 9], "counts": [81]}},
            "segmentation is 9x9 and its image 50x40; expected the same size",
        ),
        (
            {"segmentation": {"size": [40, 50], "counts": "\u00ff"}},
            "the compressed run lengths are damaged",
        ),
        (
            {"segmentation": [[x + 60 for x in SQUARE]]},
            "lies at 65 65 75 75 (left, top, right, bottom) and the picture 000.png is 50x40; "
            "expected coordinates inside of it",
        ),
        (
            {"segmentation": {"size": [40, 50], "counts": [1999]}},
            "the run lengths cover 1999 pixels; expected 2000 (50x40)",
        ),
        ({"segmentation": {"size": [40, 50], "counts": [2000]}}, "covers no pixel; expected"),
        ({"segmentation": {"size": [40, 50], "counts": [2001, -1]}}, "cover 2000 pixels"),
        ({"bbox": [-4, 5, 10, 10]}, "lies at -4 5 6 15"),
        ({"bbox": [45, 35, 10, 10]}, "lies at 45 35 55 45"),
    ],
)
def test_annotations_of_coco(tmp_path: Path, annotation: dict[str, object], told: str) -> None:
    coco(tmp_path, annotation)
    (line,) = lines(tmp_path)
    assert line.startswith("ROOT/a.json: annotations[0]: ")
    assert told in line


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no valid JSON: "),
        ('{"images": [NaN], "annotations": 1}', "is no valid JSON: NaN is no number of JSON"),
        ('{"annotations": [], "images": ' + "[" * 200_000, "is no valid JSON: "),
        ({**EMPTY_COCO, "images": [entry(), entry()]}, "images: the id 1 stands twice"),
        (
            {**EMPTY_COCO, "images": [{}]},
            "images[0]: id is None; expected a whole",
        ),
        ({**EMPTY_COCO, "images": [entry(number=1.5)]}, "id is 1.5; expected a whole number or a"),
        (
            {**EMPTY_COCO, "images": [entry(width=100, height=80)]},
            "image 1: states 100x80 for 000.png, which is 50x40; expected labels drawn on the",
        ),
        (
            {**EMPTY_COCO, "images": [entry("gone.png")]},
            "image 1: names the picture gone.png, which is not in the folder",
        ),
        (
            {**EMPTY_COCO, "images": [entry(), entry(number=2)]},
            "image 2: names 000.png, as ROOT/a.json: image 1 does; expected each picture once",
        ),
    ],
)
def test_files_of_coco(tmp_path: Path, content: object, told: str) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    # The keys by which the file is recognised, where the content is damaged.
    images(tmp_path, 1)
    put(tmp_path / "a.json", text if len(text) > 5 else '{"images": [], "annotations": [')
    assert told in lines(tmp_path)[0]
    assert lines(tmp_path)[0].startswith("ROOT/a.json: ")


def test_pictures_that_no_entry_names(tmp_path: Path) -> None:
    coco(tmp_path, BOX)
    put(tmp_path / "images/001.png", picture())
    put(tmp_path / "masks/000.png", mask())
    assert lines(tmp_path) == [
        "ROOT/images: 1 picture (001.png) is not named by the labels of COCO; expected an entry "
        "without annotations for a good part, or its picture in ROOT/good/; move masks and other "
        "pictures out of the folder",
        "ROOT/masks: 1 picture (000.png) is not named by the labels of COCO; expected an entry "
        "without annotations for a good part, or its picture in ROOT/good/; move masks and other "
        "pictures out of the folder",
    ]


def test_a_defect_in_good_and_a_bad_folder_without_one(tmp_path: Path) -> None:
    put(tmp_path / "good/000.png", picture())
    put(tmp_path / "NG/001.png", picture())
    exports.coco(
        tmp_path / "a.json", {"good/000.png": (SIZE, DENT), "NG/001.png": (SIZE, [])}, "polygon"
    )
    assert lines(tmp_path) == [
        "ROOT/a.json: image 2: has no annotation for NG/001.png, and its folder says that it is "
        "bad; expected its defect drawn, or a folder with another name",
        "ROOT/a.json: annotations[0]: is a defect (dent) on good/000.png, a good part; expected a "
        "picture outside of good/",
    ]


def test_two_pictures_of_one_name(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        put(tmp_path / f"images/{folder}/000.png", picture())
    exports.coco(tmp_path / "a.json", {"D:\\000.png": (SIZE, DENT)}, "polygon")
    assert lines(tmp_path)[0] == (
        "ROOT/a.json: image 1: names the picture D:\\000.png, and 2 pictures have that name "
        "(images/a/000.png and images/b/000.png); expected a path with the folder of one of them"
    )


def test_labels_of_two_tools(tmp_path: Path) -> None:
    coco(tmp_path, BOX)
    exports.labelme(tmp_path / "images/000.json", "000.png", SIZE, DENT, "polygon")
    assert lines(tmp_path) == [
        "ROOT: holds labels of COCO (a.json) and LabelMe (000.json); expected one format: move the "
        'others out, or write labels.toml with the line format = "coco"'
    ]
    put(tmp_path / "labels.toml", 'format = "labelme"\n')
    dataset = open_dataset(tmp_path)
    assert dataset.load_kind_map(dataset.samples[0]).sum() == SHAPE.sum()
    assert unread_lines(tmp_path, read_folder(tmp_path).unread) == (
        "a.json: is of another format than labels.toml states (labelme)",
    )
    put(tmp_path / "labels.toml", 'format = "yolo"\n')
    assert lines(tmp_path) == [
        "ROOT/labels.toml: format: yolo, and no file of YOLO is in the folder"
    ]


def test_labels_beside_a_file_that_is_not_read(tmp_path: Path) -> None:
    coco(tmp_path, BOX)
    put(tmp_path / "via.json", '{"_via_img_metadata": {}}')
    put(tmp_path / "clip.mp4", b"")
    assert lines(tmp_path)[0].startswith("ROOT/via.json: looks like VGG Image Annotator labels")
    (tmp_path / "via.json").unlink()
    assert unread_lines(tmp_path, read_folder(tmp_path).unread) == (
        "clip.mp4: is a video; outfeed inspect reads it, training does not",
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("formt = 1", "formt: unknown key; expected format or [classes]"),
        ('format = "via"', "format: 'via' is unknown; expected coco, yolo, labelme, cvat,"),
        ("[classes]\ndent = 1", "classes: dent is 1; expected a text"),
        ("classes = 1", 'classes: expected [classes] with lines CLASS = "kind"'),
        ("[classes", "is no valid TOML: "),
        ('[classes]\nscratch = "x"', "no annotation has the class scratch; there are dent"),
    ],
)
def test_the_file_of_settings(tmp_path: Path, text: str, told: str) -> None:
    coco(tmp_path, BOX)
    put(tmp_path / "labels.toml", text)
    assert told in lines(tmp_path)[0]
    assert lines(tmp_path)[0].startswith("ROOT/labels.toml: ")


def test_settings_without_a_label_file(tmp_path: Path) -> None:
    images(tmp_path)
    put(tmp_path / "labels.toml", "")
    assert lines(tmp_path) == [
        "ROOT/labels.toml: there is no label file that is recognised; expected one of COCO, YOLO, "
        "LabelMe, CVAT, Label Studio, Pascal VOC"
    ]
