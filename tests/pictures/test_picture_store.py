"""Tests of the picture store: atomic files, limits of size, and errors of the disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import PictureError
from edge.pictures.file_name import PictureName, list_pictures, parse_name
from edge.pictures.keep_rules import KeepReason
from edge.pictures.picture_store import PictureStore, SkippedPicture
from edge.pictures.png import encode_picture
from tests.pictures.buffered_frames import frame

KB = 1024


def open_store(folder: Path, *, max_bytes: int = 10 * KB, min_free_bytes: int = 0) -> PictureStore:
    made = PictureStore(folder, max_bytes=max_bytes, min_free_bytes=min_free_bytes)
    made.open()
    return made


def name(number: int, part_id: int | None = None) -> PictureName:
    return PictureName(number, "1f3a9c2e", part_id or number, KeepReason.REJECT)


def numbers(folder: Path) -> list[int]:
    return [each.number for each in list_pictures(folder)]


def test_file_names() -> None:
    assert str(name(12, 345)) == "0000000012-1f3a9c2e-345-reject.png"
    assert parse_name(str(name(12, 345))) == name(12, 345)
    for text in ("a.png", "0000000012-1f3a9c2e-345-reject.png.part", "12-1f3a9c2e-345-reject.png"):
        assert parse_name(text) is None
    assert parse_name("0000000012-1f3a9c2e-345-nothing.png") is None


def test_the_oldest_pictures_are_removed_first(tmp_path: Path) -> None:
    made = open_store(tmp_path / "a")
    for number in range(1, 8):
        made.store(name(number), bytes(3 * KB))
    assert numbers(tmp_path / "a") == [5, 6, 7]
    assert made.size_bytes == 9 * KB
    assert made.find("1f3a9c2e-more-of-it", 4) is None
    assert made.find("1f3a9c2e-more-of-it", 5) == name(5)
    assert made.find("00000000", 5) is None
    assert made.next_number == 8


def test_the_next_process_continues_with_the_same_folder(tmp_path: Path) -> None:
    made = open_store(tmp_path)
    made.store(name(1), bytes(3 * KB))
    made.store(name(2), bytes(3 * KB))
    (tmp_path / f".{name(3)}.part").write_bytes(bytes(900))  # of a crash during a write
    (tmp_path / "other.png").write_bytes(bytes(900))
    after = open_store(tmp_path)
    assert (after.next_number, after.size_bytes) == (3, 6 * KB)
    assert after.find("1f3a9c2e", 2) == name(2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(str(name(1)), str(name(2))),
        "other.png",
    ]


def test_a_lower_cap_takes_effect_with_the_next_picture(tmp_path: Path) -> None:
    for number in range(1, 4):
        open_store(tmp_path).store(name(number), bytes(3 * KB))
    made = open_store(tmp_path, max_bytes=4 * KB)
    made.store(name(4), bytes(KB))
    assert numbers(tmp_path) == [3, 4]


def test_pictures_that_exceed_the_store_or_the_reserve_are_skipped(tmp_path: Path) -> None:
    assert open_store(tmp_path).skip_reason(10 * KB) is None
    assert open_store(tmp_path).skip_reason(10 * KB + 1) is SkippedPicture.TOO_LARGE
    disk = os.statvfs(tmp_path)
    reserve = disk.f_bavail * disk.f_frsize * 2
    assert open_store(tmp_path, min_free_bytes=reserve).skip_reason(1) is SkippedPicture.NO_SPACE


def test_another_record_does_not_change_the_pixels(tmp_path: Path) -> None:
    made = open_store(tmp_path)
    data = encode_picture(frame(1).pixels, "one")
    made.store(name(1), data)
    written = made.replace_text(name(1), made.load(name(1)), "two words")
    assert written == len(data) + 6 == made.size_bytes
    assert made.load(name(1)) == encode_picture(frame(1).pixels, "two words")


def mounted(tmp_path: Path, size: str) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB."""
    yield from mounted(tmp_path, "256k")


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(disk: Path) -> None:
    made = open_store(disk / "a", max_bytes=1024 * KB)
    made.store(name(1), bytes(100 * KB))
    (disk / "filler").write_bytes(bytes(100 * KB))
    with pytest.raises(PictureError, match=r"a: no space left on device$"):
        made.store(name(2), bytes(100 * KB))
    assert [path.name for path in (disk / "a").iterdir()] == [str(name(1))]
    (disk / "filler").unlink()
    made.open()
    assert (made.size_bytes, made.next_number) == (100 * KB, 2)
    made.store(name(2), bytes(100 * KB))
    assert numbers(disk / "a") == [1, 2]


def test_pictures_are_removed_when_other_files_fill_the_disk(disk: Path) -> None:
    made = open_store(disk / "a", max_bytes=1024 * KB, min_free_bytes=80 * KB)
    for number in range(1, 5):
        made.store(name(number), bytes(40 * KB))
    assert made.skip_reason(40 * KB) is SkippedPicture.NO_SPACE
    assert made.make_space() == 0
    (disk / "filler").write_bytes(bytes(70 * KB))
    assert made.make_space() == 1  # half of the reserve is free again
    assert numbers(disk / "a") == [2, 3, 4]
    free = os.statvfs(disk)
    assert free.f_bavail * free.f_frsize >= 40 * KB


def test_a_read_only_disk_is_one_line_until_it_is_writable(disk: Path) -> None:
    made = open_store(disk / "a")
    made.store(name(1), bytes(KB))
    remount(disk, "ro")
    with pytest.raises(PictureError, match=r"a: read-only file system$"):
        made.store(name(2), bytes(KB))
    with pytest.raises(PictureError, match=r"b: read-only file system$"):
        open_store(disk / "b")
    open_store(disk / "a")  # reading needs no write
    remount(disk, "rw")
    made.open()
    made.store(name(2), bytes(KB))
    assert numbers(disk / "a") == [1, 2]


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


def test_a_removed_folder_is_created_again(tmp_path: Path) -> None:
    made = open_store(tmp_path / "a")
    made.store(name(1), bytes(KB))
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(PictureError, match="a: no such file"):
        made.store(name(2), bytes(KB))
    made.open()
    made.store(name(made.next_number), bytes(KB))
    assert (numbers(tmp_path / "a"), made.size_bytes) == ([1], KB)


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(PictureError, match="a: file exists"):
        open_store(tmp_path / "a")
