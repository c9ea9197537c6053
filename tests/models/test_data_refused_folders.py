"""Folders and names that would make defective pictures good ones: training and demo refuse them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.demo.parts import find_demo_pictures
from models.data.dataset import DataError
from models.data.layouts import open_dataset
from tests.support.folders import images, mask, picture, put
from tests.support.refused_folders import DRAW, refusal


@pytest.mark.parametrize(
    "folder",
    [
        *("ground_truth", "groundTruth", "mask", "labels", "Annotations", "gt", "train_lab"),
        *("SegmentationMasks", "defect-masks", "anything", "drawn by hand"),
    ],
)
def test_masks_in_another_folder_beside_images(tmp_path: Path, folder: str) -> None:
    images(tmp_path)
    for number in range(2):
        put(tmp_path / folder / f"{number:03d}.png", mask())
    assert refusal(tmp_path) == (
        f"ROOT/{folder}: 2 files (000.png, 001.png) look like masks or labels and would not be "
        f"read as such; {DRAW}, or move what is none out of the folder"
    )


def test_kinds_in_images_without_masks(tmp_path: Path) -> None:
    images(tmp_path, 2)
    images(tmp_path, 3, "images/scratch")
    assert refusal(tmp_path) == (
        "ROOT/images/scratch: 3 pictures without a mask would be good parts; if scratch is a kind "
        "of defect, put the good parts into images/good/; if these are good parts, put them into "
        "images/good/scratch/"
    )


@pytest.mark.parametrize(
    "folder", ["line2", "train", "2024-05-01", "2024-05-02 noon", "cam_1", "kos07", "7"]
)
def test_folders_that_tell_nothing_are_no_kinds(tmp_path: Path, folder: str) -> None:
    images(tmp_path, 2, f"images/{folder}")
    assert all(sample.is_good for sample in open_dataset(tmp_path).samples)


def test_a_split_around_good_and_kinds(tmp_path: Path) -> None:
    images(tmp_path, 2, "images/train/good")
    images(tmp_path, 2, "images/train/dent")
    kinds = {sample.name: sample.kinds for sample in open_dataset(tmp_path).samples}
    assert kinds["images/train/good/000.png"] == ()
    assert kinds["images/train/dent/000.png"] == ("dent",)
    assert [each.kind for each in find_demo_pictures(tmp_path)] == ["dent", "dent", None, None]


@pytest.mark.parametrize("name", ["ng", "NOK", "ng1", "bad", "Kratzer"])
def test_folders_of_bad_parts_are_none_that_tell_nothing(tmp_path: Path, name: str) -> None:
    images(tmp_path, 2, f"images/{name}")
    assert f"ROOT/images/{name}: 2 pictures without a mask would be good" in refusal(tmp_path)


@pytest.mark.parametrize("top", ["ground_truth", "labels", "drawn"])
def test_a_folder_of_masks_is_no_kind_in_sorted_folders(tmp_path: Path, top: str) -> None:
    images(tmp_path, 3, "good")
    images(tmp_path, 2, "bad")
    for number in range(2):
        put(tmp_path / top / f"{number:03d}.png", mask())
    assert refusal(tmp_path).startswith(f"ROOT/{top}: 2 files (000.png, 001.png) look like masks")


def test_images_of_forms_that_are_not_read_alone(tmp_path: Path) -> None:
    put(tmp_path / "images/a.heic", b"x")
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/images: holds no image; expected at least one .png, .jpg or .bmp; "
        "images/a.heic: is a picture in a form that is not read (.heic); save as PNG"
    )


@pytest.mark.parametrize("name", ["defect_free_3", "no-defect-4", "nondefective_5", "part_bank"])
def test_names_of_good_parts_do_not_stop(tmp_path: Path, name: str) -> None:
    images(tmp_path, 2)
    put(tmp_path / f"images/{name}.png", picture())
    assert all(sample.is_good for sample in open_dataset(tmp_path).samples)


def test_the_folder_images_alone_where_masks_lie_beside_it(tmp_path: Path) -> None:
    images(tmp_path, 2, "images/good")
    images(tmp_path, 2, "images/dent")
    put(tmp_path / "masks/dent/000.png", mask())
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path / "images")
    assert str(caught.value) == (
        f"{tmp_path}/images: masks/ lies beside it; give the folder above: {tmp_path}"
    )


@pytest.mark.parametrize("kind", ["s", "1", "K2", "part", "2024"])
def test_a_folder_of_masks_is_a_kind_whatever_its_name(tmp_path: Path, kind: str) -> None:
    images(tmp_path)
    put(tmp_path / f"masks/{kind}/000.png", mask(1))
    put(tmp_path / "masks/other/001.png", mask(2))
    assert open_dataset(tmp_path).kinds == tuple(sorted((kind, "other")))
    assert [each.kind for each in find_demo_pictures(tmp_path)] == [kind, "other", None, None]


def test_pictures_that_are_named_in_groups(tmp_path: Path) -> None:
    for word in ("crazing", "scratches"):
        for number in range(3):
            put(tmp_path / f"images/{word}_{number}.png", picture())
    assert refusal(tmp_path) == (
        "ROOT/images: pictures without a mask would be good parts, and are named in groups "
        "(crazing, scratches); if these are kinds of defect, put them into images/KIND/ and the "
        "good parts into images/good/; if all are good parts, put all into images/good/"
    )


@pytest.mark.parametrize("words", [("front", "back"), ("img", "IMG"), ("cam", "line"), ("a", "b")])
def test_names_that_tell_nothing_are_no_groups(tmp_path: Path, words: tuple[str, str]) -> None:
    for word in words:
        for number in range(3):
            put(tmp_path / f"images/{word}_{number}.png", picture())
    assert all(sample.is_good for sample in open_dataset(tmp_path).samples)


def test_bad_beside_images(tmp_path: Path) -> None:
    images(tmp_path)
    images(tmp_path, 2, "bad")
    assert refusal(tmp_path) == (
        "ROOT/bad: 2 pictures would not be read, because there is images/ too; expected "
        "images/bad/, or the other pictures in folders beside bad/ and no images/"
    )
