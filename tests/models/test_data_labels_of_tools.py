"""What each tool writes besides outlines: boxes, ellipses, marks of whole parts, and its faults."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge.data_folder import read_folder, unread_lines
from models.data.layouts import open_dataset
from tests.support import label_exports as exports
from tests.support.folders import images, picture, put
from tests.support.labelled import palette_png
from tests.support.labelled_folder import (
    DENT,
    SHAPE,
    SIZE,
    cvat,
    kind_map,
    label_studio,
    labelme,
    lines,
    voc,
    yolo,
)

SQUARE = [[5, 5], [15, 5], [15, 15], [5, 15]]


def square() -> np.ndarray:
    found = np.zeros(SIZE, np.bool_)
    found[5:15, 5:15] = True
    return found


def test_labelme_rectangles_and_circles(tmp_path: Path) -> None:
    """A circle is its centre and a point on its rim (`labelme/utils/shape.py`)."""
    labelme(
        tmp_path,
        {"shape_type": "rectangle", "points": [[12, 10], [5, 5]]},
        {"label": "pit", "shape_type": "circle", "points": [[30.0, 20.0], [36.0, 20.0]]},
    )
    found = kind_map(tmp_path)
    assert (found == 1).sum() == 35
    rows, cols = np.nonzero(found == 2)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (14, 25, 24, 35)


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ({"shape_type": "linestrip", "points": SQUARE}, "is a linestrip, which has no area"),
        ({"shape_type": "star", "points": SQUARE}, "has the shape star, which is not read"),
        ({"points": [[1, 2, 3]]}, "points: has 3 numbers; expected x and y"),
        ({"points": [[1, 2], [3, None]]}, "points is missing; expected a number"),
        ({"shape_type": "circle", "points": SQUARE}, "has 4 points; expected 2 for a circle"),
        ({"label": "", "points": SQUARE}, "label is ''; expected a text"),
        ({"label": "a\u0007", "points": SQUARE}, "label has characters that cannot be printed"),
        (
            {"shape_type": "mask", "points": SQUARE[::2], "mask": "%"},
            "mask is no base64 text; expected a PNG in base64",
        ),
    ],
)
def test_faults_of_labelme(tmp_path: Path, shape: dict[str, object], told: str) -> None:
    labelme(tmp_path, shape)
    (line,) = lines(tmp_path)
    assert line.startswith(f"ROOT/images/000.json: shapes[0]: {told}")


def test_labelme_files_that_were_renamed_with_their_pictures(tmp_path: Path) -> None:
    labelme(tmp_path, {"points": SQUARE}, imagePath="IMG_5853.jpg")
    assert np.array_equal(kind_map(tmp_path) > 0, square())
    put(tmp_path / "images/other.json", json.dumps({"shapes": [], "imagePath": "gone.png"}))
    assert lines(tmp_path) == [
        "ROOT/images/other.json: names the picture gone.png, which is not in the folder"
    ]


def test_cvat_ellipses_and_turned_boxes(tmp_path: Path) -> None:
    """`rotation` is in degrees, clockwise, about the middle (CVAT, "XML annotation format")."""
    cvat(
        tmp_path,
        '<box label="dent" source="manual" occluded="0" xtl="5" ytl="10" xbr="15" ybr="14" '
        'rotation="90.0" z_order="0"></box>'
        '<ellipse label="pit" source="manual" occluded="0" cx="30" cy="20" rx="8" ry="4" '
        'rotation="90.00" z_order="0"></ellipse>',
    )
    found = kind_map(tmp_path)
    assert (found[7:17, 8:12] == 1).all()
    assert (found == 1).sum() == 40
    rows, cols = np.nonzero(found == 2)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (12, 27, 26, 33)


def test_marks_of_whole_parts(tmp_path: Path) -> None:
    cvat(tmp_path, '<tag label="NG" source="manual"></tag>')
    (sample,) = open_dataset(tmp_path).samples
    assert (sample.kinds, sample.unmasked) == (("NG",), True)
    cvat(tmp_path, '<tag label="OK" source="manual"></tag>')
    assert open_dataset(tmp_path).samples[0].is_good
    cvat(tmp_path, '<tag label="NG"></tag><polygon label="pit" points="5,5;15,5;15,15;5,15"/>')
    (sample,) = open_dataset(tmp_path).samples
    assert (sample.kinds, sample.unmasked) == (("pit",), False)


@pytest.mark.parametrize(
    ("inner", "told"),
    [
        ('<polyline label="a" points="1,1;2,2"/>', "polyline[0]: has no area that is read"),
        ('<blob label="a"/>', "blob[0]: is a shape that is not read"),
        ('<polygon label="a" points="1,1;2;3,3"/>', "polygon[0]: points: expected x,y;x,y;…"),
        ('<box label="a" xtl="1" ytl="1" xbr="9"/>', "box[0]: ybr is missing; expected a number"),
        ('<box xtl="1" ytl="1" xbr="9" ybr="9"/>', "box[0]: label is missing; expected a text"),
        (
            '<mask label="a" left="1" top="1" width="2" height="2" rle="1, 2"/>',
            "mask[0]: the run lengths cover 3 pixels; expected 4 (2x2)",
        ),
    ],
)
def test_faults_of_cvat(tmp_path: Path, inner: str, told: str) -> None:
    cvat(tmp_path, inner)
    (line,) = lines(tmp_path)
    assert line.startswith(f"ROOT/annotations.xml: image 0: {told}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '<!DOCTYPE a [<!ENTITY b "x">]><annotations><image name="&b;"/></annotations>',
            "has a document type (<!DOCTYPE>); expected XML without one",
        ),
        ("<annotations><image></annotations>", "is no valid XML: mismatched tag"),
        ("<annotations>" + "<a>" * 60, "has too many elements; expected a label file"),
        (
            "<annotations><track id='0' label='a'/></annotations>",
            "is CVAT for video, with tracks; expected the export CVAT for images 1.1",
        ),
    ],
)
def test_xml_that_is_not_read(tmp_path: Path, text: str, told: str) -> None:
    images(tmp_path, 1)
    put(tmp_path / "annotations.xml", text)
    assert lines(tmp_path)[0].startswith(f"ROOT/annotations.xml: {told}")


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


def test_voc_boxes_count_from_one(tmp_path: Path) -> None:
    exports.voc_xml(tmp_path / "Annotations/000.xml", "000.png", SIZE, DENT, "JPEGImages")
    images(tmp_path, 1, "JPEGImages")
    assert np.array_equal(kind_map(tmp_path) > 0, SHAPE)


@pytest.mark.parametrize(
    ("inner", "told"),
    [
        ("<object><name>a</name></object>", "object[0]: has no bndbox; expected a box"),
        ("<object><bndbox/></object>", "object[0]: name is missing; expected a text"),
        (
            "<object><name>a</name><bndbox><xmin>9</xmin><ymin>1</ymin><xmax>2</xmax>"
            "<ymax>4</ymax></bndbox></object>",
            "object[0]: the box is empty; expected xmin < xmax and ymin < ymax",
        ),
        ("<size><width>9</width><height>9</height></size>", "states 9x9 for 000.png, which is"),
    ],
)
def test_faults_of_voc(tmp_path: Path, inner: str, told: str) -> None:
    voc(tmp_path, inner)
    (line,) = lines(tmp_path)
    assert line.startswith(f"ROOT/Annotations/000.xml: {told}")


def test_voc_pictures_of_classes_by_labelme(tmp_path: Path) -> None:
    """As labelme2voc.py writes them: class_names.txt, numbers from 0, VOC's colours."""
    images(tmp_path, 1, "JPEGImages")
    colours = [(0, 0, 0), (128, 0, 0), (0, 128, 0)] + [(224, 224, 192)] * 253
    indices = np.where(SHAPE, 2, 0)
    indices[20:24, 20:24] = 255  # the rim that belongs to no object
    put(tmp_path / "SegmentationClass/000.png", palette_png(indices, colours))
    put(tmp_path / "class_names.txt", "__ignore__\n_background_\npit\ndent\n")
    dataset = open_dataset(tmp_path)
    assert dataset.kinds == ("dent",)
    assert np.array_equal(dataset.load_kind_map(dataset.samples[0]) > 0, SHAPE)
    put(tmp_path / "class_names.txt", "_background_\npit\n")
    assert lines(tmp_path) == [
        "ROOT/SegmentationClass/000.png: has the colour #008000, which no class has"
    ]
    (tmp_path / "class_names.txt").unlink()
    assert lines(tmp_path)[0].startswith("ROOT/SegmentationClass/000.png: nothing names its col")


def test_voc_pictures_of_objects(tmp_path: Path) -> None:
    """Object n of the XML file has the number n (VOC 2012 development kit, section 6.1)."""
    other = np.roll(SHAPE, 20, axis=1)
    drawn = [("dent", SHAPE), ("pit", other)]
    exports.voc_xml(tmp_path / "Annotations/000.xml", "000.png", SIZE, drawn)
    images(tmp_path, 1, "JPEGImages")
    indices = np.where(SHAPE, 1, np.where(other, 2, 0))
    put(
        tmp_path / "SegmentationObject/000.png",
        palette_png(indices, [(0, 0, 0), (128, 0, 0), (0, 128, 0)]),
    )
    found = kind_map(tmp_path)
    assert np.array_equal(found == 1, SHAPE)
    assert np.array_equal(found == 2, other)


def test_flags_of_an_annotation_do_not_make_a_part_good(tmp_path: Path) -> None:
    voc(
        tmp_path,
        "<object><name>dent</name><truncated>1</truncated><difficult>1</difficult><bndbox>"
        "<xmin>6</xmin><ymin>6</ymin><xmax>15</xmax><ymax>15</ymax></bndbox></object>",
    )
    assert np.array_equal(kind_map(tmp_path) > 0, square())


def test_classes_that_are_good_ignored_or_renamed(tmp_path: Path) -> None:
    images(tmp_path, 5)
    labels = ["OK", "water", "scratch 1", "unsure", "__ignore__"]
    exports.coco(
        tmp_path / "a.json",
        {f"{n:03d}.png": (SIZE, [(label, SHAPE)]) for n, label in enumerate(labels)},
        "polygon",
    )
    classes = '[classes]\nwater = "good"\n"scratch 1" = "scratch"\nunsure = "ignore"\n'
    put(tmp_path / "labels.toml", classes)
    dataset = open_dataset(tmp_path)
    assert {sample.name: sample.kinds for sample in dataset.samples} == {
        "images/000.png": (),
        "images/001.png": (),
        "images/002.png": ("scratch",),
    }
    assert unread_lines(tmp_path, read_folder(tmp_path).unread) == (
        "images/003.png: has an annotation of the class unsure, which is ignored",
        "images/004.png: has an annotation of the class __ignore__, which is ignored",
    )


def test_groups_of_labelled_pictures(tmp_path: Path) -> None:
    images(tmp_path, 2)
    exports.coco(tmp_path / "a.json", {"000.png": (SIZE, DENT), "001.png": (SIZE, [])}, "box")
    put(tmp_path / "groups.csv", "file,group\n000.png,part7\n001.png,part7\n")
    assert {sample.group for sample in open_dataset(tmp_path).samples} == {"part7"}
