"""Masks and pictures that would make a defective picture good: training and demo refuse them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.demo.parts import find_demo_pictures
from models.data.layouts import open_dataset
from tests.support.folders import images, mask, picture, put, turned
from tests.support.refused_folders import DRAW, refusal


def empty_kind(root: Path) -> None:
    for number in range(2):
        put(root / f"masks/scratch/{number:03d}.png", mask(0))


def some_empty(root: Path) -> None:
    put(root / "masks/scratch/000.png", mask(0))
    put(root / "masks/scratch/001.png", mask())


def inverted(root: Path) -> None:
    put(root / "masks/scratch/000.png", 255 - mask())


def inverted_flat(root: Path) -> None:
    put(root / "masks/000.png", 255 - mask())


def mostly_covered(root: Path) -> None:
    whole = np.full((40, 50), 255, np.uint8)
    whole[10:34, 10:45] = 0
    put(root / "masks/scratch/000.png", whole)


def numbered(root: Path) -> None:
    for number in range(3):
        put(root / f"masks/{number:03d}.png", mask(number + 1))


def numbered_in_one(root: Path) -> None:
    drawn = mask(1)
    drawn[20:30, 20:30] = 255
    put(root / "masks/000.png", drawn)


def greys_in_a_kind(root: Path) -> None:
    drawn = mask(64)
    drawn[20:30, 20:30] = 255
    put(root / "masks/scratch/000.png", drawn)


def mask_in_alpha(root: Path) -> None:
    black = mask(0)
    put(root / "masks/scratch/000.png", np.dstack([black, black, black, mask()]))


def picture_with_alpha(root: Path) -> None:
    put(root / "images/900.png", np.dstack([picture(), picture(), picture(), 255 - mask()]))


def turned_picture(root: Path) -> None:
    put(root / "images/900.jpg", turned(".jpg", 3))


def pages(root: Path) -> None:
    cv2.imwritemulti(str(root / "images/900.tif"), [picture(), picture()])


def numbers_as_mask(root: Path) -> None:
    put(root / "masks/scratch/000.npy", b"x")


def mask_in_another_form(root: Path) -> None:
    put(root / "masks/scratch/000.gif", b"GIF89a")


def mask_of_nothing(root: Path) -> None:
    put(root / "masks/scratch/777.png", mask())


def mask_in_capitals(root: Path) -> None:
    put(root / "images/Abc.png", picture())
    put(root / "masks/scratch/ABC.png", mask())


def mask_of_two(root: Path) -> None:
    images(root, 1, "images/train")
    images(root, 1, "images/val")
    put(root / "masks/scratch/train/001.png", mask())
    (root / "images/000.png").unlink()
    put(root / "masks/scratch/000.png", mask())


def two_of_one_name(root: Path) -> None:
    put(root / "images/000.bmp", picture())


def mask_beside_in_images(root: Path) -> None:
    put(root / "images/000_mask.png", mask())


def mask_of_the_same_name_in_images(root: Path) -> None:
    put(root / "images/000.bmp", mask())


def good_beside(root: Path) -> None:
    images(root, 2, "good")


def images_twice(root: Path) -> None:
    images(root, 1, "Images")


def mask_of_good(root: Path) -> None:
    images(root, 2, "images/good")
    put(root / "masks/scratch/good/001.png", mask())


def other_size(root: Path) -> None:
    put(root / "masks/scratch/000.png", mask()[:30])


def turned_mask(root: Path) -> None:
    put(root / "masks/scratch/000.tif", turned(".tif", 6))


def kinds_in_capitals(root: Path) -> None:
    put(root / "masks/scratch/000.png", mask())
    put(root / "masks/Scratch/001.png", mask())


def table_elsewhere(root: Path) -> None:
    put(root / "images/groups.csv", "000.png,1\n001.png,1\n")


def named_bad(root: Path) -> None:
    put(root / "images/NG_0012.png", picture())
    put(root / "images/17-defect.png", picture())


def split_beside_good(root: Path) -> None:
    shutil.rmtree(root / "images")
    images(root, 2, "good")
    images(root, 2, "test")


CASES: tuple[tuple[Callable[[Path], None], str], ...] = (
    (
        empty_kind,
        "ROOT/masks/scratch: all masks are empty (2: 000.png, 001.png) and their parts would be "
        "good ones; expected white on the defect, or no mask for a good part",
    ),
    (
        some_empty,
        "ROOT/masks/scratch: masks are empty (1: 000.png) and their parts would be good ones; "
        "expected white on the defect, or no mask for a good part",
    ),
    (
        inverted,
        "ROOT/masks/scratch/000.png: the mask covers 98% of its picture (1965 of 2000 px), as an "
        "inverted one does; expected white on the defect and black elsewhere: mogrify -negate "
        "ROOT/masks/scratch/000.png (ImageMagick) inverts it; where the defect is all over the "
        "part, delete the mask and put the picture into images/KIND/ beside images/good/",
    ),
    (inverted_flat, "ROOT/masks/000.png: the mask covers 98% of its picture (1965 of 2000 px)"),
    (mostly_covered, "ROOT/masks/scratch/000.png: the mask covers 58% of its picture"),
    (
        numbered,
        "ROOT/masks: masks of one grey each hold the greys 1, 2, 3 (1: 000.png; 2: 001.png; 3: "
        "002.png) and would be one kind; if each is a kind, name it in ROOT/kinds.csv: "
        "#010101,NAME #020202,NAME #030303,NAME; else expected 0 and 255 in all",
    ),
    (
        numbered_in_one,
        "ROOT/masks/000.png: has areas of the greys 1, 255; expected 0 and 255, or, where each "
        "grey is a kind, a mask right inside masks/ and a kinds.csv that names them: #010101,NAME",
    ),
    (greys_in_a_kind, "ROOT/masks/scratch/000.png: has areas of the greys 64, 255; expected 0 and"),
    (
        mask_in_alpha,
        "ROOT/masks/scratch/000.png: the mask is drawn in the alpha channel, which is not read; "
        "expected white on black: convert ROOT/masks/scratch/000.png -alpha extract "
        "ROOT/masks/scratch/000.png (ImageMagick)",
    ),
    (
        picture_with_alpha,
        "ROOT/images/900.png: has an alpha channel that differs on 2% of the picture and is not "
        "read; if a mask is drawn there, save it as masks/KIND/NAME.png: convert "
        "ROOT/images/900.png -alpha extract MASK.png (ImageMagick); then take it out of the "
        "picture: mogrify -alpha off ROOT/images/900.png",
    ),
    (
        turned_picture,
        "ROOT/images/900.jpg: EXIF orientation 3, expected 1: programs show it turned by 180°, and "
        "a mask drawn there lies on other pixels. To turn the pixels as they are shown: mogrify "
        "-auto-orient ROOT/images/900.jpg (ImageMagick); to keep them as the camera gave them: "
        "exiftool -overwrite_original -Orientation= ROOT/images/900.jpg",
    ),
    (pages, "ROOT/images/900.tif: holds 2 pictures, expected 1: convert FILE PAGE-%d.png (ImageM"),
    (numbers_as_mask, "ROOT/masks/scratch/000.npy: is a mask that cannot be read; expected a PNG"),
    (mask_in_another_form, "ROOT/masks/scratch/000.gif: is a mask that cannot be read; expected a"),
    (
        mask_of_nothing,
        "ROOT/masks/scratch/777.png: is a mask without an image; expected an image named 777 in "
        "ROOT/images",
    ),
    (mask_in_capitals, "an image named ABC in ROOT/images (there is Abc.png: capitals differ)"),
    (
        mask_of_two,
        "ROOT/masks/scratch/000.png: may be of any of 2 images named 000; expected the mask in the "
        "sub-folder of its image too, as scratch/train/000.png",
    ),
    (two_of_one_name, "ROOT/images/000.png: has the same name as 000.bmp but for the suffix"),
    (
        mask_beside_in_images,
        f"ROOT/images: 1 picture (000_mask.png) looks like a mask of the picture beside it; {DRAW}",
    ),
    (
        mask_of_the_same_name_in_images,
        f"ROOT/images: 1 picture (000.bmp) looks like a mask of the picture beside it; {DRAW}",
    ),
    (good_beside, "ROOT/good: 2 pictures would not be read, because there is images/ too"),
    (
        mask_of_good,
        "ROOT/masks/scratch/good/001.png: is a mask of images/good/001.png, a good part",
    ),
    (
        other_size,
        "ROOT/masks/scratch/000.png: the mask is 50x30 and its image images/000.png is 50x40; "
        "expected the same size",
    ),
    (turned_mask, "ROOT/masks/scratch/000.tif: EXIF orientation 6, expected 1: programs show it"),
    (kinds_in_capitals, "ROOT: the kinds Scratch and scratch differ in capitals only; expected"),
    (table_elsewhere, "ROOT/images/groups.csv: is not read; expected ROOT/groups.csv"),
    (
        named_bad,
        "ROOT/images: 2 pictures without a mask (17-defect.png, NG_0012.png) would be good parts, "
        "and their names say that they are bad; expected them in images/bad/ and the good parts in "
        "images/good/, or masks of them",
    ),
    (
        split_beside_good,
        "ROOT: test/ would be a kind of defect beside good/; expected good/ and the kinds inside "
        "test/, or its pictures in good/ and the folders of their kinds",
    ),
    (images_twice, "ROOT: holds images/ and Images/; expected images/"),
)


@pytest.mark.parametrize(("make", "told"), CASES, ids=[make.__name__ for make, _ in CASES])
def test_each_stops_with_its_line(tmp_path: Path, make: Callable[[Path], None], told: str) -> None:
    images(tmp_path)
    make(tmp_path)
    line = refusal(tmp_path)
    assert told in line
    assert "\n" not in line


def test_masks_that_are_right_pass(tmp_path: Path) -> None:
    images(tmp_path)
    soft = cv2.GaussianBlur(mask(), (5, 5), 0)
    put(tmp_path / "masks/scratch/000.png", np.maximum(soft, mask()))
    put(tmp_path / "masks/dent/001.jpg", mask())
    half = np.zeros((40, 50), np.uint8)
    half[5:35, 3:40] = 255
    put(tmp_path / "masks/dent/002.png", half)
    opaque = np.dstack([mask(), mask(), mask(), np.full((40, 50), 255, np.uint8)])
    put(tmp_path / "masks/pit/003.png", opaque)
    found = open_dataset(tmp_path)
    found.verify()
    assert [sample.kinds for sample in found.samples] == [("scratch",), ("dent",)] * 1 + [
        ("dent",),
        ("pit",),
    ]
    kinds = [each.kind for each in find_demo_pictures(tmp_path)]
    assert kinds == ["scratch", "dent", "dent", "pit"]


def test_numbered_masks_with_names_pass(tmp_path: Path) -> None:
    images(tmp_path)
    numbered(tmp_path)
    put(tmp_path / "kinds.csv", "#010101,dent\n#020202,pit\n#030303,scratch\n")
    assert open_dataset(tmp_path).kinds == ("dent", "pit", "scratch")


def test_masks_of_good_parts_in_a_folder_that_says_so(tmp_path: Path) -> None:
    images(tmp_path)
    put(tmp_path / "masks/good/000.png", mask(0))
    put(tmp_path / "masks/scratch/001.png", mask())
    found = open_dataset(tmp_path)
    assert [sample.kinds for sample in found.samples] == [(), ("scratch",), (), ()]
    assert [each.kind for each in find_demo_pictures(tmp_path)] == [None, "scratch", None, None]
    put(tmp_path / "masks/good/000.png", mask())
    assert refusal(tmp_path) == (
        "ROOT/masks/good/000.png: is drawn on, and its folder says good; expected masks/KIND/"
    )


def test_a_photograph_is_no_mask(tmp_path: Path) -> None:
    images(tmp_path)
    put(tmp_path / "masks/scratch/000.png", picture())
    assert refusal(tmp_path) == (
        "ROOT/masks/scratch/000.png: 100% of its values are neither black nor white, as of a "
        "picture; expected white on the defect and black elsewhere"
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS and no picture"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "is HEIC, AVIF or a video, whatever its suf"),
        (b"<!DOCTYPE html>", "is not a picture that can be decoded"),
    ],
)
def test_what_is_no_picture_says_what_it_is(tmp_path: Path, content: bytes, told: str) -> None:
    images(tmp_path)
    put(tmp_path / "images/a.jpg", content)
    assert refusal(tmp_path).startswith(f"ROOT/images/a.jpg: {told}")


def test_a_picture_in_colour_is_no_mask_either(tmp_path: Path) -> None:
    images(tmp_path)
    drawn = np.dstack([picture(), picture(), picture()])
    drawn[5:9, 5:9] = (0, 0, 255)
    put(tmp_path / "masks/scratch/000.png", drawn)
    assert "of its values are neither black nor white, as of a picture" in refusal(tmp_path)


def test_colours_on_white(tmp_path: Path) -> None:
    images(tmp_path)
    drawn = np.full((40, 50, 3), 255, np.uint8)
    drawn[5:9, 5:9] = (0, 0, 255)
    put(tmp_path / "masks/000.png", drawn)
    assert refusal(tmp_path) == (
        "ROOT/masks/000.png: is white where nothing is drawn; expected black: mogrify -fill black "
        "-opaque white ROOT/masks/000.png (ImageMagick)"
    )
