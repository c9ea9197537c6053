"""MVTec AD's layout as published, and every way it can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.data.layouts import open_dataset
from models.data.split import select, split
from tests.support.small_pictures import by_name, grey, message, put, square


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("train/good/000", "train/good/001", "test/good/000", "test/hole/000"):
        put(tmp_path / f"{name}.png", grey())
    put(tmp_path / "test/cut/000.png", grey())
    put(tmp_path / "ground_truth/hole/000_mask.png", square())
    return tmp_path


def test_as_published(root: Path) -> None:
    dataset = open_dataset(root)
    assert (dataset.layout, dataset.kinds, dataset.channels) == ("mvtec_ad", ("cut", "hole"), 1)
    samples = by_name(dataset)
    assert [n for n, s in samples.items() if s.is_good] == [
        "test/good/000.png",
        "train/good/000.png",
        "train/good/001.png",
    ]
    assert (dataset.load_kind_map(samples["test/hole/000.png"]) == square() // 255 * 2).all()
    assert [n for n, s in samples.items() if s.unmasked] == ["test/cut/000.png"]


def test_its_test_side_can_stay_unseen(root: Path) -> None:
    train_only = select(open_dataset(root), "^train/")
    divided = split(train_only, 0.5, 0)
    names = [s.name for s in (*divided.train, *divided.validation)]
    assert sorted(names) == ["train/good/000.png", "train/good/001.png"]
    assert train_only.kinds == ()


def test_groups(root: Path) -> None:
    (root / "groups.csv").write_text("train/good/000.png,a\ntest/hole/000.png,a\n")
    assert {s.name for s in open_dataset(root).samples if s.group == "a"} == {
        "train/good/000.png",
        "test/hole/000.png",
    }


def test_an_empty_mask_states_nothing(root: Path) -> None:
    put(root / "ground_truth/hole/000_mask.png", grey(0))
    assert by_name(open_dataset(root))["test/hole/000.png"].unmasked


def test_what_is_wrong(root: Path) -> None:
    put(root / "ground_truth/hole/001_mask.png", square())
    assert "hole/001_mask.png: is a mask without an image; expected test/hole/001" in message(root)
    put(root / "train/hole/000.png", grey())
    assert "expected only good ones in train/" in message(root)


def test_without_a_good_picture(tmp_path: Path) -> None:
    (tmp_path / "train/good").mkdir(parents=True)
    put(tmp_path / "test/hole/000.png", grey())
    assert "holds no picture of a good part" in message(tmp_path)
