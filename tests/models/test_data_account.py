"""The summary at the start of a training."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models.data.dataset import DataError
from models.data.layouts import open_dataset
from models.data.summary import account
from tests.support.folders import images, mask, put
from tests.support.preloaded import run_module

ROOT = Path(__file__).parents[2]


def lines(root: Path) -> list[str]:
    return [line.replace(str(root), "ROOT") for line in account(open_dataset(root))]


def test_good_bad_and_what_was_not_read(tmp_path: Path) -> None:
    images(tmp_path, 3, "images/good")
    images(tmp_path, 2, "images/good/line2")
    images(tmp_path, 4, "images/dent")
    put(tmp_path / "masks/dent/000.png", mask())
    put(tmp_path / "masks/pit/001.png", mask())
    put(tmp_path / "README.md", "May")
    put(tmp_path / "images/Thumbs.db", b"x")
    assert lines(tmp_path) == [
        "ROOT: 9 pictures, read as generic, grey",
        "taken as good: 5 (images/good/ 3, images/good/line2/ 2)",
        "taken as bad: 4: dent 1, pit 1",
        "bad, without a mask: 2: dent 2; only for evaluation, not for training",
        "not read: README.md: is no picture",
        "not read: images/Thumbs.db: hidden, or of the system",
    ]


def test_pictures_alone_are_said_to_be_taken_as_good(tmp_path: Path) -> None:
    images(tmp_path, 3)
    assert lines(tmp_path) == [
        "ROOT: 3 pictures, read as generic, grey",
        "taken as good: 3 (images/ 3)",
        "taken as bad: 0",
        "no mask and no folder good/ shows which part is good: all are taken as good",
    ]


def test_copies_are_told_unless_they_are_one_part(tmp_path: Path) -> None:
    images(tmp_path, 3)
    shutil.copy(tmp_path / "images/000.png", tmp_path / "images/000 - Copy.png")
    (told,) = [line for line in lines(tmp_path) if line.startswith("copies")]
    assert told == (
        "copies: 1 picture of more than one name (images/000 - Copy.png is images/000.png); on "
        "both sides of the split they make the figures look better than they are: delete the "
        "copies, or give each pair one group in groups.csv"
    )
    put(tmp_path / "groups.csv", "000.png,1\n000 - Copy.png,1\n")
    assert not any(line.startswith("copies") for line in lines(tmp_path))


def test_one_picture_that_is_good_and_bad_stops(tmp_path: Path) -> None:
    images(tmp_path, 2, "good")
    (tmp_path / "bad").mkdir()
    shutil.copy(tmp_path / "good/001.png", tmp_path / "bad/x.png")
    with pytest.raises(DataError) as caught:
        account(open_dataset(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}/bad/x.png: is the same picture as {tmp_path}/good/001.png, and of these one "
        "is taken as good and one as bad; expected it once"
    )


def test_make_train_begins_with_it_and_stops_at_all_that_is_wrong(tmp_path: Path) -> None:
    data = images(tmp_path / "data", 3)
    put(data / "images/a.png", b"")
    put(data / "images/b.png", b"x")
    put(data / "masks/dent/000.png", mask())
    done = run_module("models.training", "--data", data, "--out", tmp_path / "run")
    assert done.returncode == 1
    assert "data taken as good: 4 (images/ 4)" in done.stderr
    assert "data taken as bad: 1: dent 1" in done.stderr
    assert done.stdout == ""
    assert done.stderr.splitlines()[-3:] == [
        f"train: {data}: 2 things to put right",
        f"  {data}/images/a.png: is empty",
        f"  {data}/images/b.png: is not a picture that can be decoded",
    ]
