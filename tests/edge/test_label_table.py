"""The table labelled.csv: its lines, its faults, and the pictures that it leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.data_folder import find_pictures, read_folder
from edge.data_folder.label_table import LabelRow, label_table_text, read_label_table
from edge.errors import FrameError
from models.data.dataset import DataError
from models.data.layouts import open_dataset
from tests.support.folders import images, mask, put

HEAD = "file,label,kind,by,utc\n"


def test_a_table_comes_through_unchanged(tmp_path: Path) -> None:
    rows = [
        LabelRow("images/a, b.png", "good", "", 'Ada "A" L.', "2026-11-30T08:00:00Z"),
        LabelRow("images/é.png", "bad", "刮痕", "Ada", "2026-11-30T08:00:01Z"),
        LabelRow("images/s.png", "skipped"),
        LabelRow("images/u.png", "unfinished"),
    ]
    (tmp_path / "labelled.csv").write_text(label_table_text(reversed(rows)), encoding="utf-8")
    assert list((read_label_table(tmp_path) or {}).values()) == sorted(
        rows, key=lambda row: row.file
    )


def test_names_are_compared_in_one_form_of_unicode(tmp_path: Path) -> None:
    (tmp_path / "labelled.csv").write_text(f"{HEAD}images/e\u0301.png,good,,,\n")
    assert list(read_label_table(tmp_path) or {}) == ["images/é.png"]


def test_a_folder_without_a_table(tmp_path: Path) -> None:
    assert read_label_table(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{HEAD}images/000.png,fine,,,\n", "line 2: expected file,label,kind,by,utc"),
        (f"{HEAD}images/000.png,good\n", "line 2: expected file,label,kind,by,utc"),
        (f"{HEAD},good,,,\n", "line 2: expected file,label,kind,by,utc"),
        (f"{HEAD}a.png,good,,,\na.png,bad,,,\n", "line 3: a.png is listed twice"),
        ("\udcff".encode("utf-8", "surrogateescape"), "cannot be read; expected UTF-8"),
    ],
)
def test_a_table_with_a_fault_stops_training(
    tmp_path: Path, text: str | bytes, reason: str
) -> None:
    root = images(tmp_path / "d")
    (root / "labelled.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FrameError, match=reason):
        read_label_table(root)
    with pytest.raises(DataError, match=r"labelled\.csv"):
        open_dataset(root)


def test_only_labelled_pictures_are_read(tmp_path: Path) -> None:
    root = images(tmp_path / "d", 6)
    put(root / "masks/dent/004.png", mask())
    table = "images/000.png,good,,,\nimages/001.png,bad,hole,,\nimages/002.png,skipped,,,\n"
    put(root / "labelled.csv", f"{HEAD}{table}images/003.png,unfinished,,,\n")
    folder = read_folder(root)
    assert [(entry.path.name, entry.kind) for entry in folder.entries] == [
        ("000.png", ""),
        ("001.png", "hole"),
        ("004.png", None),  # by its mask
    ]
    assert [path.name for path in folder.unlabelled] == ["002.png", "003.png", "005.png"]
    assert not folder.complaints
    assert len(find_pictures(root).pictures) == 6  # `outfeed inspect` judges all of them
    assert len(read_folder(root, labelled=False).entries) == 6


def test_a_mask_of_a_picture_that_is_labelled_good_stops_training(tmp_path: Path) -> None:
    root = images(tmp_path / "d", 2)
    put(root / "masks/dent/000.png", mask())
    put(root / "labelled.csv", f"{HEAD}images/000.png,good,,,\nimages/001.png,good,,,\n")
    with pytest.raises(DataError, match=r"dent/000\.png: is a mask of images/000\.png, which"):
        open_dataset(root)


def test_groups_may_name_pictures_that_are_not_labelled_yet(tmp_path: Path) -> None:
    root = images(tmp_path / "d", 3)
    put(root / "groups.csv", "file,group\n000.png,part1\n002.png,part2\n")
    put(root / "labelled.csv", f"{HEAD}images/000.png,good,,,\n")
    assert [sample.group for sample in open_dataset(root).samples] == ["part1"]
