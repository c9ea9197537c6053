"""Pictures sorted into folders, with and without masks, and every way that can be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.data.layouts import open_dataset
from tests.support.small_pictures import by_name, grey, message, put, square


def sort(root: Path, *names: str) -> Path:
    for name in names:
        put(root / name, grey())
    return root


@pytest.mark.parametrize("folder", ["good", "ok", "OK", "Good"])
def test_good_parts_alone(tmp_path: Path, folder: str) -> None:
    dataset = open_dataset(sort(tmp_path, f"{folder}/a.png", f"{folder}/line2/b.jpg"))
    assert (dataset.layout, dataset.kinds, dataset.channels) == ("sorted", (), 1)
    assert [s.name for s in dataset.samples] == [f"{folder}/a.png", f"{folder}/line2/b.jpg"]
    assert all(s.is_good and not s.unmasked for s in dataset.samples)
    dataset.verify()


@pytest.mark.parametrize("folder", ["good", "OK"])
def test_the_folder_of_good_parts_itself(tmp_path: Path, folder: str) -> None:
    sort(tmp_path, f"{folder}/a.png", f"{folder}/b.jpg")
    root = tmp_path / folder
    (root / "groups.csv").write_text("file,group\na.png,7\n")
    dataset = open_dataset(root)
    assert (dataset.layout, dataset.kinds, dataset.channels) == ("sorted", (), 1)
    assert [(s.name, s.group) for s in dataset.samples] == [("a.png", "7"), ("b.jpg", "b.jpg")]
    assert all(s.is_good and not s.unmasked for s in dataset.samples)
    # The record of a run names the layout, and the data is read again by it.
    assert open_dataset(root, "sorted").samples == dataset.samples
    dataset.verify()


def test_pictures_in_a_folder_of_another_name_are_not_taken_for_good(tmp_path: Path) -> None:
    sort(tmp_path, "parts/a.png")
    assert "in no layout that is recognised" in message(tmp_path / "parts")


def test_other_folders_are_kinds_that_nobody_drew(tmp_path: Path) -> None:
    samples = by_name(open_dataset(sort(tmp_path, "good/a.png", "bad/a.png", "dent/b.png")))
    assert samples["good/a.png"].is_good
    assert {n: s.kinds for n, s in samples.items() if s.unmasked} == {
        "bad/a.png": ("bad",),
        "dent/b.png": ("dent",),
    }


def test_masks_of_some(tmp_path: Path) -> None:
    sort(tmp_path, "good/a.png", "dent/a.png", "dent/b.png", "dent/c.png", "bad/d.png")
    put(tmp_path / "masks/dent/a.png", square())
    put(tmp_path / "masks/dent/c_mask.png", grey(0))
    put(tmp_path / "masks/pit/d_mask.png", square())
    dataset = open_dataset(tmp_path)
    samples = by_name(dataset)
    assert dataset.kinds == ("dent", "pit")
    assert {n for n, s in samples.items() if s.unmasked} == {"dent/b.png", "dent/c.png"}
    assert samples["bad/d.png"].kinds == ("pit",)
    image, kind_map = dataset.load_pair(samples["dent/a.png"])
    assert image.shape == kind_map.shape
    np.testing.assert_array_equal(kind_map, square() // 255)
    assert dataset.load_kind_map(samples["bad/d.png"]).max() == 2


def test_groups(tmp_path: Path) -> None:
    sort(tmp_path, "good/a.png", "bad/a.png", "bad/b.png")
    (tmp_path / "groups.csv").write_text("file,group\ngood/a.png,7\nbad/b.png,7\n")
    found = {s.name: s.group for s in open_dataset(tmp_path).samples}
    assert found == {"good/a.png": "7", "bad/a.png": "bad/a.png", "bad/b.png": "7"}
    (tmp_path / "groups.csv").write_text("file,group\na.png,7\n")
    assert "groups.csv: line 2: a.png is not an image in" in message(tmp_path)


def test_hidden_and_other_files_are_not_looked_at(tmp_path: Path) -> None:
    sort(tmp_path, "good/a.png", ".cache/b.png", "c.png")
    put(tmp_path / "notes/readme.txt.png", grey()).rename(tmp_path / "notes/readme.txt")
    assert [s.name for s in open_dataset(tmp_path).samples] == ["good/a.png"]


def test_good_beside_images_is_refused(tmp_path: Path) -> None:
    told = message(sort(tmp_path, "good/a.png", "images/b.png"))
    assert told.startswith(
        f"{tmp_path}/good: 1 picture would not be read, because there is images/"
    )
    assert "expected images/good/" in told


def test_without_a_good_picture(tmp_path: Path) -> None:
    sort(tmp_path, "bad/a.png")
    (tmp_path / "good").mkdir()
    assert "holds no picture of a good part" in message(tmp_path)


def test_two_of_one_name(tmp_path: Path) -> None:
    assert "has the same name as a.jpg" in message(sort(tmp_path, "good/a.jpg", "good/a.png"))


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        ("masks/a.png", "lies in no folder; expected masks/KIND/a.png"),
        ("masks/dent/x.png", "is a mask without an image; expected an image named x in"),
        (
            "masks/pit/a.png",
            "may be of any of 3 images named a; expected the mask in the sub-folder of its image",
        ),
        ("masks/pit/g.png", "is a mask of good/g.png, a good part"),
    ],
)
def test_masks_that_fit_nothing(tmp_path: Path, mask: str, told: str) -> None:
    sort(tmp_path, "good/a.png", "good/g.png", "dent/a.png", "bad/a.png")
    put(tmp_path / mask, square())
    assert told in message(tmp_path)
