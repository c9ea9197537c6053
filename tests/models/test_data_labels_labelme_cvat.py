"""Shapes of LabelMe and of CVAT besides outlines: circles, turned boxes, marks of parts, faults."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.data.layouts import open_dataset
from tests.support.folders import images, put
from tests.support.labelled_folder import (
    SIZE,
    cvat,
    kind_map,
    labelme,
    lines,
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
            "has a document type (DOCTYPE); expected XML without one",
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
