"""The DAGM 2007 layout, on made-up folders: the set itself is not at hand."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.data.dataset import DataError
from models.data.layouts import open_dataset
from models.data.split import split

ELLIPSE = np.zeros((12, 16), np.uint8)
ELLIPSE[3:6, 4:9] = 255


def put(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def side(folder: Path, first: int, count: int, *defective: int) -> Path:
    """Pictures first to first + count - 1, of which some have a label, and the list of them."""
    rows = ["1"]
    for number in range(first, first + count):
        put(folder / f"{number:04d}.PNG", np.full(ELLIPSE.shape, 90, np.uint8))
        label = f"{number:04d}_label.PNG" if number in defective else "0"
        rows.append(f"{number}\t{int(label != '0')}\t{number:04d}.PNG\t0\t{label}")
    for number in defective:
        put(folder / f"Label/{number:04d}_label.PNG", ELLIPSE)
    (folder / "Label").mkdir(exist_ok=True)
    (folder / "Label/Labels.txt").write_text("\ufeff" + "\r\n".join(rows) + "\r\n")
    return folder


def test_layout(tmp_path: Path) -> None:
    side(tmp_path / "Class1/Train", 3, 2, 4)
    side(tmp_path / "Class1/Test", 1, 2)
    side(tmp_path / "Class10/Test", 1, 2, 1)
    side(tmp_path / "Class2/Train", 1, 1, 1)
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.channels) == ("dagm2007", 1)
    assert dataset.kinds == ("class1", "class10", "class2")
    assert [(s.name, s.kinds) for s in dataset.samples] == [
        ("Class1/Test/0001.PNG", ()),
        ("Class1/Test/0002.PNG", ()),
        ("Class1/Train/0003.PNG", ()),
        ("Class1/Train/0004.PNG", ("class1",)),
        ("Class10/Test/0001.PNG", ("class10",)),
        ("Class10/Test/0002.PNG", ()),
        ("Class2/Train/0001.PNG", ("class2",)),
    ]
    assert [s.group for s in dataset.samples] == [s.name for s in dataset.samples]
    kind_map = dataset.load_kind_map(dataset.samples[4])
    np.testing.assert_array_equal(kind_map, (ELLIPSE > 0) * 2)


def test_one_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    side(tmp_path / "Class7/Train", 1, 2, 2)
    side(tmp_path / "Class8/Train", 1, 2, 2)
    dataset = open_dataset(tmp_path / "Class7")
    assert (dataset.layout, dataset.kinds) == ("dagm2007", ("class7",))
    assert [s.name for s in dataset.samples] == ["Train/0001.PNG", "Train/0002.PNG"]
    monkeypatch.chdir(tmp_path / "Class8")
    assert open_dataset(".").kinds == ("class8",)


def test_split_has_every_class_on_both_sides(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        side(tmp_path / f"Class{number}/Train", 1, 10, 1, 5)
        side(tmp_path / f"Class{number}/Test", 11, 10, 14, 19)
    dataset = open_dataset(tmp_path)
    parts = split(dataset, 0.25, 0)
    assert len(parts.train) + len(parts.validation) == 60
    for samples in (parts.train, parts.validation):
        assert {kind for s in samples for kind in s.kinds} == {"class1", "class2", "class3"}


def test_an_empty_label_is_left_out_of_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = side(tmp_path / "Class1/Train", 1, 2, 1)
    put(folder / "Label/0001_label.PNG", ELLIPSE * 0)
    with caplog.at_level(logging.INFO, logger="models.data.dagm2007"):
        dataset = open_dataset(tmp_path)
    assert [(s.kinds, s.unmasked) for s in dataset.samples] == [(("class1",), True), ((), False)]
    assert "mask-empty image=Class1/Train/0001.PNG kind=class1" in caplog.text


def test_a_missing_label_is_told_from_the_list(tmp_path: Path) -> None:
    folder = side(tmp_path / "Class1/Train", 1, 2, 2)
    (folder / "Label/0002_label.PNG").unlink()
    with pytest.raises(
        DataError, match=r"Label/0002_label\.PNG: is missing; expected it, because Labels"
    ):
        open_dataset(tmp_path)
    (folder / "Label/Labels.txt").unlink()
    assert [s.is_good for s in open_dataset(tmp_path).samples] == [True, True]


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image; expected Class<n>/Train"):
        open_dataset(tmp_path, "dagm2007")
    folder = side(tmp_path / "Class1/Train", 1, 2, 2)
    put(folder / "Label/0002_label.PNG", ELLIPSE[:10])
    with pytest.raises(DataError, match=r"0002_label\.PNG: the mask is 16x10 and its image Class1"):
        open_dataset(tmp_path).verify()
    put(folder / "Label/0003_label.PNG", ELLIPSE)
    with pytest.raises(DataError, match=r"0003_label\.PNG: is a label without an image"):
        open_dataset(tmp_path)
    put(folder / "grass.PNG", ELLIPSE)
    with pytest.raises(DataError, match=r"grass\.PNG: expected a name like 0576\.PNG"):
        open_dataset(tmp_path)
    put(tmp_path / "Class2/Train/0001.PNG", ELLIPSE)
    (folder / "grass.PNG").unlink()
    (folder / "Label/0003_label.PNG").unlink()
    with pytest.raises(DataError, match="Class2/Train/Label: is missing; expected the labels of"):
        open_dataset(tmp_path)
