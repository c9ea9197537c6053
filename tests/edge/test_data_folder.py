"""The one reader of folders: what is a picture, what a mask, and what is not read."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from edge.data_folder import find_pictures, list_images, read_folder, unread_lines, unrecognised
from edge.errors import FrameError
from tests.support.folders import encoded, images, mask, picture, put


def names(paths: tuple[Path, ...], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def kinds(root: Path) -> dict[str, list[str]]:
    folder = read_folder(root)
    assert folder.complaints == ()
    return {
        entry.path.relative_to(root).as_posix(): [each.kind for each in entry.masks]
        for entry in folder.entries
        if entry.masks
    }


def test_list_images_is_sorted_recursive_and_leaves_hidden_files_out(tmp_path: Path) -> None:
    for name in ("b/2.PNG", "b/1.jpg", "a.bmp", "c.txt", ".h.png", ".trash/x.png", "b/._1.jpg"):
        put(tmp_path / name, b"")
    assert names(list_images(tmp_path), tmp_path) == ["a.bmp", "b/1.jpg", "b/2.PNG"]


def test_list_images_of_one_file_of_nothing_and_of_no_folder(tmp_path: Path) -> None:
    one = put(tmp_path / "one.odd", b"")
    assert list_images(one) == (one,)
    with pytest.raises(FrameError, match="no picture below it"):
        list_images(tmp_path)
    with pytest.raises(FrameError, match="no such file or folder"):
        list_images(tmp_path / "none")


@pytest.mark.parametrize(
    ("masked", "kind"),
    [
        ("masks/scratch/train/000.png", "scratch"),
        ("masks/train/scratch/000.png", "scratch"),
        ("masks/scratch/deep/train/000.png", "scratch/deep"),
        ("masks/train/000.png", ""),
        ("masks/scratch/003.png", "scratch"),
        ("masks/scratch/train/000_mask.png", "scratch"),
        ("masks/scratch/train/000_label.png", "scratch"),
        ("masks/scratch/train/mask_000.png", "scratch"),
        ("masks/scratch/train/000.png.png", "scratch"),
        ("Masks/scratch/train/000.PNG", "scratch"),
    ],
)
def test_masks_in_sub_folders(tmp_path: Path, masked: str, kind: str) -> None:
    images(tmp_path, 4, "images/train")
    images(tmp_path, 2, "images/val")
    put(tmp_path / masked, mask())
    stem = "003" if "003" in masked else "000"
    assert kinds(tmp_path) == {f"images/train/{stem}.png": [kind]}


def test_a_folder_of_a_kind_is_no_neutral_folder(tmp_path: Path) -> None:
    images(tmp_path, 2, "images/dent")
    put(tmp_path / "masks/dent/000.png", mask())
    assert kinds(tmp_path) == {"images/dent/000.png": ["dent"]}


def test_names_in_both_unicode_forms_are_one(tmp_path: Path) -> None:
    name = "Kratzer_ä"
    put(tmp_path / f"images/{unicodedata.normalize('NFD', name)}.png", picture())
    put(tmp_path / f"masks/scratch/{unicodedata.normalize('NFC', name)}.png", mask())
    assert list(kinds(tmp_path).values()) == [["scratch"]]
    put(tmp_path / f"images/{unicodedata.normalize('NFC', name)}.png", picture())
    (told,) = read_folder(tmp_path).complaints
    assert "has the same name as" in told


def test_links_are_followed_once(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    images(data, 2)
    images(other, 3, ".")
    (data / "images/line2").symlink_to(other)
    (data / "images/again").symlink_to(other)
    (data / "images/loop").symlink_to(data)
    folder = read_folder(data)
    assert len(folder.entries) == 5
    assert unread_lines(data, folder.unread) == (
        "images/line2: is images/again once more, by a link",
        "images/loop: is the folder itself once more, by a link",
    )


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    images(tmp_path, 1)
    (tmp_path / "images/dead.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "images/pipe.png")
    put(tmp_path / "images/a\nb.png", picture())
    folder = read_folder(tmp_path)
    assert folder.complaints == (
        f"{tmp_path}/images/a\\nb.png: has characters in its name that cannot be printed; expected "
        "another name",
        f"{tmp_path}/images/dead.png: is a link to nothing",
    )
    assert "images/pipe.png: is no regular file" in unread_lines(tmp_path, folder.unread)


def test_a_folder_that_cannot_be_listed_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images(tmp_path, 1)
    images(tmp_path, 1, "images/line2")
    real = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "line2":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    told = f"{tmp_path}/images/line2: cannot be read: Permission denied"
    assert read_folder(tmp_path).complaints == (told,)
    with pytest.raises(FrameError) as caught:
        find_pictures(tmp_path)
    assert str(caught.value) == told


def test_what_is_not_read_is_named_with_its_reason(tmp_path: Path) -> None:
    images(tmp_path, 2)
    for name in ("Thumbs.db", "._000.png", ".DS_Store", "__MACOSX/x.png"):
        put(tmp_path / "images" / name, b"x")
    put(tmp_path / "images/notes.txt", "taken in May")
    put(tmp_path / "images/b.heic", b"x")
    put(tmp_path / "images/c.mp4", b"x")
    put(tmp_path / "images/photo", encoded(".jpg", picture()))
    images(tmp_path, 2, "old")
    lines = unread_lines(tmp_path, read_folder(tmp_path).unread)
    assert lines == (
        f"{tmp_path.name}/: 4 files (.DS_Store, ._000.png, Thumbs.db, …): hidden, or of the system",
        "images/b.heic: is a picture in a form that is not read (.heic); save as PNG",
        "images/c.mp4: is a video; outfeed inspect reads it, training does not",
        "images/notes.txt: is no picture",
        "images/photo: is a picture by its content and not by its name; expected the suffix .jpg",
        "old/: 2 files (000.png, 001.png): is a picture outside the folders that are read",
    )


@pytest.mark.parametrize(
    "beside",
    [
        "x/000_mask.png",
        "x/000_GT.png",
        "x/000-label.bmp",
        "ground_truth/000.png",
        "gt/a/000.png",
        "x/000.png",
        "drawn/000.png",
        "defectMasks/000.png",
    ],
)
def test_masks_are_no_pictures_without_a_layout_either(tmp_path: Path, beside: str) -> None:
    images(tmp_path, 4, "x", ".jpg")
    put(tmp_path / beside, mask())
    found = find_pictures(tmp_path)
    assert names(found.pictures, tmp_path) == [f"x/{number:03d}.jpg" for number in range(4)]
    assert names(found.truths, tmp_path) == [beside]


def test_two_forms_of_one_picture_are_two_pictures(tmp_path: Path) -> None:
    images(tmp_path, 2, ".", ".jpg")
    images(tmp_path, 2, ".", ".png")
    assert len(find_pictures(tmp_path).pictures) == 4


def test_a_folder_of_masks_alone_is_a_folder_of_pictures(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path / f"masks/scratch/{number}.png", mask())
    assert len(find_pictures(tmp_path).pictures) == 3
    assert len(find_pictures(tmp_path / "masks").pictures) == 3


MAGNETIC = ("MT_Free/Imgs/exp1_num_5", "MT_Crack/Imgs/exp1_num_900")
KOLEKTOR = ("kos01/Part0", "kos01/Part1")


def write_magnetic(root: Path) -> Path:
    for number, name in enumerate(MAGNETIC):
        put(root / f"{name}.jpg", picture())
        put(root / f"{name}.png", mask(255 * number))
    return root


def write_kolektor(root: Path) -> Path:
    for number, name in enumerate(KOLEKTOR):
        put(root / f"{name}.jpg", picture())
        put(root / f"{name}_label.bmp", mask(255 * number))
    return root


@pytest.mark.parametrize(
    ("write", "layout", "bad"),
    [
        (write_magnetic, "magnetic_tile", {MAGNETIC[1]: "crack"}),
        (write_kolektor, "kolektorsdd", {KOLEKTOR[1]: "defect"}),
    ],
)
def test_picture_and_truth_side_by_side_as_published(
    tmp_path: Path, write: object, layout: str, bad: dict[str, str]
) -> None:
    assert callable(write)
    write(tmp_path)
    folder = read_folder(tmp_path)
    assert (folder.layout, folder.complaints, folder.unread) == (layout, (), ())
    found = find_pictures(tmp_path)
    assert found.pictures == folder.pictures
    assert len(found.pictures) == len(found.truths) == 2
    assert {
        str(entry.path.relative_to(tmp_path).with_suffix("")): entry.kind
        for entry in folder.entries
        if entry.kind
    } == bad
    # A part of such a folder is not in the layout, and its masks are still none of its pictures.
    inner = next(path for path in sorted(tmp_path.rglob("*")) if path.suffix == ".jpg").parent
    assert all(path.suffix == ".jpg" for path in find_pictures(inner).pictures)


def test_an_unreadable_label_is_a_complaint(tmp_path: Path) -> None:
    write_kolektor(tmp_path)
    put(tmp_path / "kos01/Part0_label.bmp", b"")
    assert read_folder(tmp_path).complaints == (f"{tmp_path}/kos01/Part0_label.bmp: is empty",)


@pytest.mark.parametrize(
    ("folders", "told"),
    [
        (["."], "holds 2 pictures right in it, in no layout that is recognised; if these (000.png, "
         "001.png) are all good parts, move them into ROOT/good/; if masks of them are drawn"),
        (["pass", "fail"], "holds 2 pictures in fail/, 2 pictures in pass/, in no layout that is "
         "recognised; if pass/ holds the good parts: mv ROOT/pass ROOT/good"),
        (["a/images", "a/masks/x"], "; ROOT/a can be read: give that folder"),
        (["train/good"], "; ROOT/train can be read: give that folder"),
        (["img", "mask"], "; if mask/ holds masks of them: mv ROOT/img ROOT/images and mv "
         "ROOT/mask ROOT/masks"),
        ([".", "masks/scratch"], "; if masks/ holds masks of them: move the pictures into "
         "ROOT/images/; expected"),
        (["JPEGImages"], "; rename it: mv ROOT/JPEGImages ROOT/images"),
        (["kratzer", "delle"], "; if one of delle, kratzer holds the good parts, call it good/"),
        (["1", "2"], "; no folder is called images/, good/ or ok/"),
        ([], "holds no picture; expected images/ with masks/KIND/"),
    ],
)  # fmt: skip
def test_an_unknown_layout_says_what_was_found_and_what_to_rename(
    tmp_path: Path, folders: list[str], told: str
) -> None:
    for folder in folders:
        images(tmp_path, 2, folder)
    line = unrecognised(read_folder(tmp_path))
    assert line.startswith(f"{tmp_path}: holds ")
    assert told.replace("ROOT", str(tmp_path)) in line
    assert "\n" not in line


def test_side_by_side_in_no_layout_is_advised_on(tmp_path: Path) -> None:
    images(tmp_path, 2, ".", ".jpg")
    put(tmp_path / "000_label.png", mask())
    line = unrecognised(read_folder(tmp_path))
    assert "1 of them (000_label.png) look like masks of the pictures beside them" in line


def test_the_folder_of_pictures_itself_points_above(tmp_path: Path) -> None:
    images(tmp_path, 2)
    line = unrecognised(read_folder(tmp_path / "images"))
    assert f"; {tmp_path} can be read: give that folder; " in line


def test_images_and_masks_may_be_links(tmp_path: Path) -> None:
    images(tmp_path, 3, "camera")
    put(tmp_path / "drawn/scratch/000.png", mask())
    (tmp_path / "images").symlink_to(tmp_path / "camera")
    (tmp_path / "masks").symlink_to(tmp_path / "drawn")
    assert kinds(tmp_path) == {"images/000.png": ["scratch"]}
    assert unread_lines(tmp_path, read_folder(tmp_path).unread) == (
        "camera: is images once more, by a link",
        "drawn: is masks once more, by a link",
    )


def test_labels_of_a_folder_in_no_layout_are_named(tmp_path: Path) -> None:
    images(tmp_path, 2, "train")
    put(tmp_path / "train/via_region_data.json", '{"_via_img_metadata": {}}')
    line = unrecognised(read_folder(tmp_path))
    assert line.startswith(
        f"{tmp_path}: holds 2 pictures in train/, and train/via_region_data.json with VGG Image "
        "Annotator labels, which is not read, in no layout that is recognised"
    )
