"""Names of pictures in label files: Windows paths, other machines, addresses, uploads, Unicode."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from edge.label_files import LabelError, PictureIndex

ROOT = Path("/data")
FILE = ROOT / "labels/a.json"


def found(name: str, *pictures: str, uploaded: bool = False, file: Path = FILE) -> str:
    index = PictureIndex(ROOT, [ROOT / each for each in pictures])
    return index.find(name, file, uploaded=uploaded).relative_to(ROOT).as_posix()


@pytest.mark.parametrize(
    "name",
    [
        "0001.png",
        "images/line2/0001.png",
        "./line2/0001.png",
        "..\\images\\line2\\0001.png",
        "C:\\Users\\me\\parts\\line2\\0001.png",
        "/home/other/parts/0001.png",
        "file:///home/other/line2/0001.png",
        "s3://bucket/line2/0001.png?X-Amz-Signature=1",
        "https://server/data/line2/0001.png#top",
        "/data/local-files/?d=parts/line2/0001.png",
        "/data/local-files/?d=parts%2Fline2%2F0001.png",
    ],
)
def test_a_picture_is_found_by_the_end_of_its_path(name: str) -> None:
    assert found(name, "images/line2/0001.png", "images/line2/0002.png") == "images/line2/0001.png"


def test_unicode_forms_are_one_name() -> None:
    for written in ("NFC", "NFD"):
        for stored in ("NFC", "NFD"):
            name = unicodedata.normalize(written, "Gehäuse/Prüfung ü.png")
            own = unicodedata.normalize(stored, "images/Gehäuse/Prüfung ü.png")
            assert found(name, own) == own
    assert found("file:///x/Pr%C3%BCfung%20%C3%BC.png", "Prüfung ü.png") == "Prüfung ü.png"
    assert found("100%.png", "100%.png") == "100%.png"
    assert found("a%20b.png", "a%20b.png", "a b.png") == "a%20b.png"


def test_uploads_of_label_studio() -> None:
    pictures = ("images/part 7 (ü).png", "images/other.png")
    for name in ("/data/upload/3/8f3c21ab-part_7_ü.png", "8f3c21ab-part_7_ü.png"):
        assert found(name, *pictures, uploaded=True) == "images/part 7 (ü).png"
        with pytest.raises(LabelError, match="which is not in the folder"):
            found(name, *pictures)
    kept = "images/8f3c21ab-part_7.png"
    assert found("images/8f3c21ab-part_7.png", kept, "part_7.png", uploaded=True) == kept


def test_folders_tell_equal_names_apart() -> None:
    pictures = ("images/a/0001.png", "images/b/0001.png")
    assert found("D:/photos/b/0001.png", *pictures) == "images/b/0001.png"
    with pytest.raises(LabelError) as error:
        found("C:/other/0001.png", *pictures)
    assert str(error.value) == (
        "names the picture C:/other/0001.png, and 2 pictures have that name (images/a/0001.png and "
        "images/b/0001.png); expected a path with the folder of one of them"
    )


def test_a_path_from_the_label_file_counts_first() -> None:
    pictures = ("train/0001.png", "valid/0001.png")
    assert found("0001.png", *pictures, file=ROOT / "valid/_annotations.json") == "valid/0001.png"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("0009.png", "which is not in the folder"),
        ("0001.PNG", "there is 0001.png: capitals differ"),
        ("0001.jpg", "there is 0001.png: the suffix differs"),
        ("../", "expected the name of a file"),
    ],
)
def test_a_missing_picture_is_named(name: str, told: str) -> None:
    with pytest.raises(LabelError, match=told):
        found(name, "0001.png")
