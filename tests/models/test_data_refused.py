"""Folders that would train defective pictures as good ones: each stops, with a line that helps, and
the demo refuses it with the same line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.demo.parts import find_specimens
from edge.errors import UsageError
from models.data.dataset import DataError
from models.data.layouts import open_dataset
from tests.support.folders import encoded, images, mask, picture, put, turned

DRAW = "expected masks as masks/KIND/NAME.png, white on the defect"
YOLO = "0 0.5 0.5 0.1 0.1\n"


def stopped(root: Path) -> str:
    """Return the message that both give, with ROOT for the folder."""
    with pytest.raises(DataError) as trained:
        open_dataset(root).verify()
    with pytest.raises(UsageError) as shown:
        find_specimens(root)
    told = str(trained.value)
    assert str(shown.value) == f"--frames {told}"
    return told.replace(str(root), "ROOT")


@pytest.mark.parametrize(
    "folder",
    [
        *("ground_truth", "groundTruth", "mask", "labels", "Annotations", "gt", "train_lab"),
        *("SegmentationClass", "defect-masks", "anything", "drawn by hand"),
    ],
)
def test_masks_in_another_folder_beside_images(tmp_path: Path, folder: str) -> None:
    images(tmp_path)
    for number in range(2):
        put(tmp_path / folder / f"{number:03d}.png", mask())
    assert stopped(tmp_path) == (
        f"ROOT/{folder}: 2 files (000.png, 001.png) look like masks or labels and would not be "
        f"read as such; {DRAW}, or move what is none out of the folder"
    )


@pytest.mark.parametrize(
    ("file", "content", "form"),
    [
        ("annotations.json", {"images": [], "annotations": []}, "COCO"),
        ("export.json", {"annotations": [], "categories": []}, "COCO"),
        ("images/000.json", {"shapes": [], "imagePath": "000.png"}, "LabelMe"),
        ("via.json", {"_via_img_metadata": {}}, "VGG Image Annotator"),
        ("images/000.png.json", {"objects": [], "size": {}}, "Supervisely"),
        ("project.json", [{"annotations": [{"result": []}]}], "Label Studio"),
        ("boxes.json", {"000.png": {"bbox": [1, 2, 3, 4]}}, "drawn"),
        ("images/000.txt", YOLO, "YOLO"),
        ("images/000.txt", "", "YOLO"),
        ("data.yaml", "names: [a]\n", "YOLO"),
        ("classes.txt", "scratch\n", "YOLO"),
        ("images/000.xml", "<annotation><object/></annotation>", "Pascal VOC or CVAT"),
        ("job.xml", "<annotations><image><polygon/></image></annotations>", "Pascal VOC or CVAT"),
    ],
)
def test_labels_of_other_programs(tmp_path: Path, file: str, content: object, form: str) -> None:
    images(tmp_path)
    put(tmp_path / file, content if isinstance(content, str) else json.dumps(content))
    assert stopped(tmp_path) == (
        f"ROOT/{file}: looks like {form} labels and would not be read, so that every picture would "
        f"be a good part; {DRAW}, or move what is no label out of the folder"
    )


@pytest.mark.parametrize(
    "name",
    ["images/000.npy", "images/000.mat", "images/000.hobj", "set.hdict", "gt.npz", "labels.xlsx"],
)
def test_files_of_numbers(tmp_path: Path, name: str) -> None:
    images(tmp_path)
    put(tmp_path / name, b"\x00")
    assert stopped(tmp_path).startswith(f"ROOT/{name}: looks like labels and would not be read")


@pytest.mark.parametrize(
    "text",
    [
        "file,defective\n000.png,1\n001.png,0\n",
        "file;defective\r\nimages\\000.png;1\r\n",
        "id,label\n000,1\n001,0\n",
        "000.png 1\n001.png 0\n",
    ],
)
@pytest.mark.parametrize("name", ["labels.csv", "train.txt", "images/list.tsv"])
def test_a_table_of_labels(tmp_path: Path, name: str, text: str) -> None:
    images(tmp_path)
    put(tmp_path / name, text)
    assert stopped(tmp_path) == (
        f"ROOT/{name}: looks like a table of labels and would not be read, so that every picture "
        "would be a good part; expected the pictures sorted into images/good/ and images/KIND/ "
        "(images/bad/), or move what is no label out of the folder"
    )


@pytest.mark.parametrize("name", ["notes.txt", "images/readme.txt", "camera.json", "list.csv"])
def test_what_is_no_label_does_not_stop(tmp_path: Path, name: str) -> None:
    images(tmp_path)
    texts = {"camera.json": '{"exposure_us": 80}', "list.csv": "000.png\n001.png\n"}
    put(tmp_path / name, texts.get(name, "a picture like 000.png is good"))
    assert len(open_dataset(tmp_path).samples) == len(find_specimens(tmp_path)) == 4


@pytest.mark.parametrize("name", ["Groups.csv", "KINDS.CSV", "images/kinds.csv"])
def test_a_table_that_is_called_otherwise_or_lies_elsewhere(tmp_path: Path, name: str) -> None:
    images(tmp_path)
    put(tmp_path / name, "000.png,1\n")
    told = f"ROOT/{name}: is not read; expected ROOT/{Path(name).name.lower()}"
    assert stopped(tmp_path) == told


def test_kinds_in_images_without_masks(tmp_path: Path) -> None:
    images(tmp_path, 2)
    images(tmp_path, 3, "images/scratch")
    assert stopped(tmp_path) == (
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
    assert [each.kind for each in find_specimens(tmp_path)] == ["dent", "dent", None, None]


@pytest.mark.parametrize("name", ["ng", "NOK", "ng1", "bad", "Kratzer"])
def test_folders_of_bad_parts_are_none_that_tell_nothing(tmp_path: Path, name: str) -> None:
    images(tmp_path, 2, f"images/{name}")
    assert f"ROOT/images/{name}: 2 pictures without a mask would be good" in stopped(tmp_path)


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
    line = stopped(tmp_path)
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
    assert [each.kind for each in find_specimens(tmp_path)] == ["scratch", "dent", "dent", "pit"]


def test_numbered_masks_with_names_pass(tmp_path: Path) -> None:
    images(tmp_path)
    numbered(tmp_path)
    put(tmp_path / "kinds.csv", "#010101,dent\n#020202,pit\n#030303,scratch\n")
    assert open_dataset(tmp_path).kinds == ("dent", "pit", "scratch")


@pytest.mark.parametrize("suffix", [".webp", ".pnm", ".ppm", ".PNG", ".JPG", ".tiff", ".pgm"])
def test_every_form_that_the_line_reads_is_trained_on(tmp_path: Path, suffix: str) -> None:
    images(tmp_path, 2)
    pixels = picture() if suffix == ".pgm" else np.dstack([picture()] * 3)
    put(tmp_path / f"images/a{suffix}", pixels)
    put(tmp_path / "masks/scratch/a.webp", encoded(".webp", np.dstack([mask()] * 3)))
    found = open_dataset(tmp_path)
    found.verify()
    assert {s.name: s.kinds for s in found.samples}[f"images/a{suffix}"] == ("scratch",)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    images(tmp_path, 4)
    put(tmp_path / "images/001.png", b"")
    put(tmp_path / "images/002.png", b"\xff\xd8\xff")
    put(tmp_path / "images/003.png", picture().astype(np.uint16) * 256)
    put(tmp_path / "masks/scratch/000.png", b"")
    put(tmp_path / "masks/scratch/009.png", mask())
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path)
    first, *lines = str(caught.value).replace(str(tmp_path), "ROOT").splitlines()
    assert first == "ROOT: 5 things to put right"
    assert [line.split(":")[0].strip() for line in lines] == [
        "ROOT/masks/scratch/009.png",
        "ROOT/masks/scratch/000.png",
        "ROOT/images/001.png",
        "ROOT/images/002.png",
        "ROOT/images/003.png",
    ]


def test_many_faults_are_counted(tmp_path: Path) -> None:
    images(tmp_path, 50)
    for path in sorted((tmp_path / "images").iterdir())[:45]:
        path.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path).verify()
    lines = str(caught.value).splitlines()
    assert (lines[0], len(lines)) == (f"{tmp_path}: 45 things to put right", 42)
    assert lines[-1] == "  and 5 more"


@pytest.mark.parametrize("top", ["ground_truth", "labels", "drawn"])
def test_a_folder_of_masks_is_no_kind_in_sorted_folders(tmp_path: Path, top: str) -> None:
    images(tmp_path, 3, "good")
    images(tmp_path, 2, "bad")
    for number in range(2):
        put(tmp_path / top / f"{number:03d}.png", mask())
    assert stopped(tmp_path).startswith(f"ROOT/{top}: 2 files (000.png, 001.png) look like masks")


def test_labels_in_sorted_folders(tmp_path: Path) -> None:
    images(tmp_path, 3, "good")
    images(tmp_path, 2, "bad")
    put(tmp_path / "bad/000.json", '{"shapes": []}')
    assert stopped(tmp_path).startswith("ROOT/bad/000.json: looks like LabelMe labels")


def test_images_of_forms_that_are_not_read_alone(tmp_path: Path) -> None:
    put(tmp_path / "images/a.heic", b"x")
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/images: holds no image; expected at least one .png, .jpg or .bmp; "
        "images/a.heic: is a picture in a form that is not read (.heic); save as PNG"
    )


def test_what_went_away_between_two_readings(tmp_path: Path) -> None:
    images(tmp_path, 2)
    found = open_dataset(tmp_path)
    shutil.rmtree(tmp_path / "images")
    assert len(found.faults()) == 2


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


def test_a_published_set_names_every_damaged_file_too(tmp_path: Path) -> None:
    for part in range(4):
        put(tmp_path / f"kos01/Part{part}.jpg", picture())
        put(tmp_path / f"kos01/Part{part}_label.bmp", mask())
    for name in ("Part1.jpg", "Part2_label.bmp", "Part3_label.bmp"):
        put(tmp_path / "kos01" / name, b"")
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path)
    assert sorted(str(caught.value).splitlines()[1:]) == [
        f"  {tmp_path}/kos01/{name}: is empty"
        for name in ("Part1.jpg", "Part2_label.bmp", "Part3_label.bmp")
    ]


@pytest.mark.parametrize("text", ["1", "scratch\n", "12 30 40 60 scratch 0\n", "1,2,3,4,dent\n"])
def test_a_text_beside_each_picture_that_says_a_class_or_a_box(tmp_path: Path, text: str) -> None:
    images(tmp_path)
    put(tmp_path / "images/000.txt", text)
    assert stopped(tmp_path).startswith("ROOT/images/000.txt: looks like labels and would not be")


def test_what_a_camera_writes_beside_each_picture_does_not_stop(tmp_path: Path) -> None:
    images(tmp_path)
    put(tmp_path / "images/000.txt", "exposure: 80 us\ngain: 1.5\ntaken: 2024-05-01 12:00\n")
    assert len(open_dataset(tmp_path).samples) == 4


def test_masks_of_good_parts_in_a_folder_that_says_so(tmp_path: Path) -> None:
    images(tmp_path)
    put(tmp_path / "masks/good/000.png", mask(0))
    put(tmp_path / "masks/scratch/001.png", mask())
    found = open_dataset(tmp_path)
    assert [sample.kinds for sample in found.samples] == [(), ("scratch",), (), ()]
    assert [each.kind for each in find_specimens(tmp_path)] == [None, "scratch", None, None]
    put(tmp_path / "masks/good/000.png", mask())
    assert stopped(tmp_path) == (
        "ROOT/masks/good/000.png: is drawn on, and its folder says good; expected masks/KIND/"
    )


def test_a_photograph_is_no_mask(tmp_path: Path) -> None:
    images(tmp_path)
    put(tmp_path / "masks/scratch/000.png", picture())
    assert stopped(tmp_path) == (
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
    assert stopped(tmp_path).startswith(f"ROOT/images/a.jpg: {told}")


def test_a_picture_in_colour_is_no_mask_either(tmp_path: Path) -> None:
    images(tmp_path)
    drawn = np.dstack([picture(), picture(), picture()])
    drawn[5:9, 5:9] = (0, 0, 255)
    put(tmp_path / "masks/scratch/000.png", drawn)
    assert "of its values are neither black nor white, as of a picture" in stopped(tmp_path)


def test_colours_on_white(tmp_path: Path) -> None:
    images(tmp_path)
    drawn = np.full((40, 50, 3), 255, np.uint8)
    drawn[5:9, 5:9] = (0, 0, 255)
    put(tmp_path / "masks/000.png", drawn)
    assert stopped(tmp_path) == (
        "ROOT/masks/000.png: is white where nothing is drawn; expected black: mogrify -fill black "
        "-opaque white ROOT/masks/000.png (ImageMagick)"
    )


@pytest.mark.parametrize("kind", ["s", "1", "K2", "part", "2024"])
def test_a_folder_of_masks_is_a_kind_whatever_its_name(tmp_path: Path, kind: str) -> None:
    images(tmp_path)
    put(tmp_path / f"masks/{kind}/000.png", mask(1))
    put(tmp_path / "masks/other/001.png", mask(2))
    assert open_dataset(tmp_path).kinds == tuple(sorted((kind, "other")))
    assert [each.kind for each in find_specimens(tmp_path)] == [kind, "other", None, None]


def test_pictures_that_are_named_in_groups(tmp_path: Path) -> None:
    for word in ("crazing", "scratches"):
        for number in range(3):
            put(tmp_path / f"images/{word}_{number}.png", picture())
    assert stopped(tmp_path) == (
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
    assert stopped(tmp_path) == (
        "ROOT/bad: 2 pictures would not be read, because there is images/ too; expected "
        "images/bad/, or the other pictures in folders beside bad/ and no images/"
    )
