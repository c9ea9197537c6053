"""The DeepPCB layout: made-up folders, and the real images where they are present."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.data.dataset import DataError, DataSet
from models.data.deeppcb import pairs
from models.data.layouts import open_dataset
from models.data.split import split

REAL = Path(__file__).resolve().parents[2] / "../shared/data/deeppcb"


def pair(root: Path, group: str, stem: str, annotation: str | None) -> Path:
    """A template, a test picture and its annotation; the folder of the pictures."""
    folder = root / f"group{group}" / group
    notes = folder.with_name(f"{group}_not")
    for path in (folder, notes):
        path.mkdir(parents=True, exist_ok=True)
    for kind, grey in (("temp", 0), ("test", 255)):
        pixels = cv2.imencode(".jpg", np.full((30, 40), grey, np.uint8))[1].tobytes()
        (folder / f"{stem}_{kind}.jpg").write_bytes(pixels)
    if annotation is not None:
        (notes / f"{stem}.txt").write_text(annotation)
    return folder


@pytest.mark.parametrize("inner", ["", "PCBData"])
def test_layout(tmp_path: Path, inner: str) -> None:
    pair(tmp_path / inner, "00041", "00041002", "2 3 10 12 1\n20 5 30 15 6\n\n")
    pair(tmp_path / inner, "50600", "50600000", "0,0,40,30,3\r\n")
    pair(tmp_path / inner, "50600", "50600001", "")
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.channels) == ("deeppcb", 1)
    assert dataset.kinds == ("mousebite", "open", "pin-hole")
    prefix = f"{inner}/" if inner else ""
    assert [(s.name.removeprefix(prefix), s.group, s.kinds) for s in dataset.samples] == [
        ("group00041/00041/00041002_temp.jpg", "group00041/00041002", ()),
        ("group00041/00041/00041002_test.jpg", "group00041/00041002", ("open", "pin-hole")),
        ("group50600/50600/50600000_temp.jpg", "group50600/50600000", ()),
        ("group50600/50600/50600000_test.jpg", "group50600/50600000", ("mousebite",)),
        ("group50600/50600/50600001_temp.jpg", "group50600/50600001", ()),
        ("group50600/50600/50600001_test.jpg", "group50600/50600001", ()),
    ]
    dataset.verify()
    kind_map = dataset.load_kind_map(dataset.samples[1])
    wanted = np.zeros((30, 40), np.uint8)
    wanted[3:12, 2:10] = 2
    wanted[5:15, 20:30] = 3
    assert (kind_map == wanted).all()
    assert not dataset.load_kind_map(dataset.samples[0]).any()


def test_pairs(tmp_path: Path) -> None:
    """A test picture without a defect is still the test picture."""
    pair(tmp_path, "00041", "00041002", "2 3 10 12 1\n")
    pair(tmp_path, "00041", "00041005", "")
    found = pairs(open_dataset(tmp_path))
    assert [tuple(s.image_path.name for s in each) for each in found] == [
        ("00041002_temp.jpg", "00041002_test.jpg"),
        ("00041005_temp.jpg", "00041005_test.jpg"),
    ]
    other = tmp_path / "other"
    (other / "images").mkdir(parents=True)
    (other / "images/a.png").write_bytes(cv2.imencode(".png", np.zeros((9, 9)))[1].tobytes())
    with pytest.raises(DataError, match="is laid out as generic; expected group<nnnnn>"):
        pairs(open_dataset(other, "generic"))


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ("1 2 3 4", r"00041002\.txt:1: expected x1 y1 x2 y2 type"),
        ("1 2 9 9 1\n1 2 9 9 7", r"00041002\.txt:2: expected x1 y1 x2 y2 type"),
        ("1 2 9 9 0", r":1: expected x1 y1 x2 y2 type, with a type from 1 to 6"),
        ("1 2 9.5 9 1", r":1: expected x1 y1 x2 y2 type"),
        ("-1 2 9 9 1", r":1: expected x1 y1 x2 y2 type"),
        ("9 2 9 9 1", r":1: the box is empty; expected x1 < x2 and y1 < y2"),
        (None, r"00041002\.txt: cannot be read; expected the annotation of group00041/"),
    ],
)
def test_errors_of_annotations(tmp_path: Path, annotation: str | None, said: str) -> None:
    pair(tmp_path, "00041", "00041002", annotation)
    with pytest.raises(DataError, match=said):
        open_dataset(tmp_path)


def test_errors_of_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image; expected group<nnnnn>"):
        open_dataset(tmp_path, "deeppcb")
    folder = pair(tmp_path, "00041", "00041002", "1 2 41 9 1")
    with pytest.raises(DataError, match=r"is 40x30; expected it to hold the box 1 2 41 9 of its"):
        open_dataset(tmp_path).verify()
    (folder.with_name("00041_not") / "00041002.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"00041002\.txt: is no text"):
        open_dataset(tmp_path)
    (folder / "00041002_test.jpg").rename(folder / "00041003_test.jpg")
    with pytest.raises(DataError, match=r"is half a pair; expected 00041002_test\.jpg beside it"):
        open_dataset(tmp_path)
    (folder / "00041003_test.jpg").rename(folder / "00041002.jpg")
    with pytest.raises(DataError, match=r"expected a name like 00041000_temp\.jpg or"):
        open_dataset(tmp_path)


@pytest.fixture(scope="module")
def real() -> DataSet:
    if not REAL.is_dir():
        pytest.skip("the DeepPCB images (shared/data/deeppcb) are not here")
    return open_dataset(REAL)


def test_real(real: DataSet) -> None:
    assert (real.layout, real.channels) == ("deeppcb", 1)
    assert real.kinds == ("copper", "mousebite", "open", "pin-hole", "short", "spur")
    assert len(pairs(real)) == 400
    counts = Counter(box.kind for sample in real.samples for box in sample.boxes)
    assert counts == {
        "open": 549,
        "short": 402,
        "mousebite": 591,
        "spur": 456,
        "copper": 401,
        "pin-hole": 422,
    }


def test_real_pixels(real: DataSet) -> None:
    for template, test in pairs(real)[::25]:
        assert not real.load_kind_map(template).any()
        pixels, kind_map = real.load_pair(test)
        assert pixels.shape == kind_map.shape == (640, 640)
        assert {real.kinds[value - 1] for value in np.unique(kind_map) if value} == set(test.kinds)


@pytest.mark.parametrize("seed", range(3))
def test_no_pair_is_on_both_sides(real: DataSet, seed: int) -> None:
    parts = split(real, 0.4, seed)
    assert not {s.name[:-9] for s in parts.train} & {s.name[:-9] for s in parts.validation}
    assert (
        {s.is_good for s in parts.train} == {s.is_good for s in parts.validation} == {True, False}
    )
