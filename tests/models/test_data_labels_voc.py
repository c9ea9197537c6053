"""Boxes and pictures of classes of Pascal VOC, flags, and the classes of labels.toml."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge.data_folder import read_folder, unread_lines
from models.data.dataset import DataError
from models.data.layouts import open_dataset
from tests.support import label_exports as exports
from tests.support.folders import images, picture, put
from tests.support.labelled import palette_png
from tests.support.labelled_folder import (
    DENT,
    SHAPE,
    SIZE,
    kind_map,
    lines,
    voc,
)

SQUARE = [[5, 5], [15, 5], [15, 15], [5, 15]]


def square() -> np.ndarray:
    found = np.zeros(SIZE, np.bool_)
    found[5:15, 5:15] = True
    return found


def put_box(root: Path, sides: tuple[object, ...], more: str = "") -> None:
    """A file with a box of the picture of tests.support.labelled_folder. more: of the writer."""
    names = ("xmin", "ymin", "xmax", "ymax")
    inner = "".join(f"<{n}>{side}</{n}>" for n, side in zip(names, sides, strict=True))
    voc(root, f"{more}<object><name>dent</name><bndbox>{inner}</bndbox></object>")


@pytest.mark.parametrize(
    ("sides", "more"),
    [
        ((6, 6, 12, 10), ""),
        ((6, 6, 12, 10), "<source><database>roboflow.ai</database></source><path>000.png</path>"),
        (("5.0", "5.0", "12.0", "10.0"), ""),
        ((5, 5, 12, 10), "<owner><name>Label Studio</name></owner>"),
        ((5, 5, 12, 10), "<path>C:\\000.png</path>"),
    ],
)
def test_voc_boxes_are_counted_as_their_writer_does(
    tmp_path: Path, sides: tuple[object, ...], more: str
) -> None:
    put_box(tmp_path, sides, more)
    assert np.array_equal(kind_map(tmp_path) > 0, SHAPE)


def test_voc_boxes_reach_the_rim(tmp_path: Path) -> None:
    rim = np.zeros((40, 50), np.bool_)
    rim[:10, :12] = True
    for number, (sides, more) in enumerate(
        [((1, 1, 12, 10), ""), ((0, 0, 12, 10), ""), ((1, 1, 12, 10), "<path>000.png</path>")]
    ):
        put_box(tmp_path / str(number), sides, more)
        assert np.array_equal(kind_map(tmp_path / str(number)) > 0, rim)


def test_outlines_in_the_xml_of_labelme(tmp_path: Path) -> None:
    """As LabelMe (MIT) writes them: points of x and y, and objects that were deleted."""
    corners = ((5, 5), (12, 5), (12, 10), (5, 10))
    points = "".join(f"<pt><x> {x} </x><y>\n{y}</y></pt>" for x, y in corners)
    outline = f"<polygon><username>ada</username>{points}</polygon>"
    kept = f"<object><name>dent</name><deleted>0</deleted>{outline}</object>"
    gone = kept.replace("<deleted>0", "<deleted>1").replace("dent", "pit")
    size = "<imagesize><nrows>40</nrows><ncols>50</ncols></imagesize>"
    voc(tmp_path, size + kept + gone)
    assert np.array_equal(kind_map(tmp_path) > 0, SHAPE)
    voc(tmp_path, size.replace("40", "41") + kept)
    assert "states 50x41" in lines(tmp_path)[0]
    voc(tmp_path, "<object><name>a</name><segm><mask>a.png</mask></segm></object>")
    assert "has its mask in another file (segm); expected a polygon" in lines(tmp_path)[0]


def test_labelmap_without_colours_has_those_of_voc(tmp_path: Path) -> None:
    """As datumaro writes it for classes without colours."""
    images(tmp_path, 1, "JPEGImages")
    colours = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    png = palette_png(np.where(SHAPE, 2, 0), colours)
    put(tmp_path / "SegmentationClass/000.png", png)
    put(
        tmp_path / "labelmap.txt",
        "# label:color_rgb:parts:actions\nbackground:::\npit:::\ndent:::\n",
    )
    dataset = open_dataset(tmp_path)
    assert dataset.kinds == ("dent",)
    assert np.array_equal(kind_map(tmp_path) > 0, SHAPE)
    put(tmp_path / "labelmap.txt", "background:::\ndent:0,128,0::\n")
    assert "labelmap.txt: line 1: expected label:red,green,blue::" in lines(tmp_path)[0]


def test_voc_boxes_of_labelimg(tmp_path: Path) -> None:
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
    put(tmp_path / "SegmentationClassNpy/000.npy", b"\x93NUMPY")
    put(tmp_path / "SegmentationClassVisualization/000.jpg", picture())
    put(tmp_path / "class_names.txt", "__ignore__\n_background_\npit\ndent\n")
    dataset = open_dataset(tmp_path)
    assert dataset.kinds == ("dent",)
    assert {each.path.suffix for each in read_folder(tmp_path).unread} == {".npy", ".jpg"}
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


def test_ids_of_coco_may_be_large_or_texts(tmp_path: Path) -> None:
    images(tmp_path, 1)
    content = {
        "images": [{"id": 20261130070000001, "file_name": "000.png"}],
        "categories": [{"id": "c1", "name": "dent"}],
        "annotations": [
            {"image_id": 20261130070000001, "category_id": "c1", "bbox": [5, 5, 10, 10]}
        ],
    }
    put(tmp_path / "a.json", json.dumps(content))
    assert np.array_equal(kind_map(tmp_path) > 0, square())


def test_more_classes_than_a_kind_map_has_values(tmp_path: Path) -> None:
    images(tmp_path, 1)
    drawn = [(f"kind {number:03d}", SHAPE) for number in range(256)]
    exports.coco(tmp_path / "a.json", {"000.png": (SIZE, drawn)}, "box")
    with pytest.raises(DataError, match="the labels have 256 classes of defects; expected at most"):
        open_dataset(tmp_path)
