"""Tests of edge.files: atomic replacement, fsync, backups, and files of other users."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from edge.files import (
    backup_path,
    is_exposed,
    open_folder,
    read_regular_file,
    write_atomically,
    write_durably,
    write_with_backup,
)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record each fsync, as "sync NAME", and each replacement, as "replace NAME"."""
    recorded: list[str] = []
    fsync, replace = os.fsync, os.replace

    def recording_fsync(descriptor: int) -> None:
        recorded.append("sync " + Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def recording_replace(source: Path, target: Path, **folders: int | None) -> None:
        recorded.append(f"replace {target.name}")
        replace(source, target, **folders)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "replace", recording_replace)
    return recorded


def test_an_atomic_write_syncs_the_file_before_it_replaces_the_old_one(
    tmp_path: Path, calls: list[str]
) -> None:
    write_atomically(tmp_path / "a.json", b"new")
    assert calls == ["sync .a.json.part", "replace a.json"]


def test_a_durable_write_also_syncs_the_folder(tmp_path: Path, calls: list[str]) -> None:
    write_durably(tmp_path / "a.json", b"new")
    assert calls == ["sync .a.json.part", "replace a.json", f"sync {tmp_path.name}"]


def test_the_backup_is_on_the_disk_before_the_file_is_touched(
    tmp_path: Path, calls: list[str]
) -> None:
    write_with_backup(tmp_path / "a.json", b"new")
    assert calls == [
        "sync .a.backup.json.part",
        "replace a.backup.json",
        f"sync {tmp_path.name}",
        "sync .a.json.part",
        "replace a.json",
        f"sync {tmp_path.name}",
    ]
    assert backup_path(tmp_path / "a.json").read_bytes() == b"new"
    assert (tmp_path / "a.json").read_bytes() == b"new"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    (tmp_path / "a.json").write_bytes(b"old")

    def fail(*_arguments: object, **_keywords: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "a.json", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_bytes() == b"old"


def test_text_is_written_as_utf_8(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.txt", "5 µm\n")
    assert (tmp_path / "a.txt").read_bytes() == b"5 \xc2\xb5m\n"


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"untouched")
    (tmp_path / ".a.json.part").symlink_to(other)
    write_atomically(tmp_path / "a.json", b"new")
    assert other.read_bytes() == b"untouched"
    assert (tmp_path / "a.json").read_bytes() == b"new"


def test_the_mode_is_set_whatever_the_umask_is(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.json", b"", mode=0o640)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o640
    assert not is_exposed(tmp_path / "a.json")
    (tmp_path / "a.json").chmod(0o644)
    assert is_exposed(tmp_path / "a.json")
    assert not is_exposed(tmp_path / "missing")


def test_a_relative_path_belongs_to_the_given_folder(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    try:
        write_atomically(Path("a.json"), b"new", folder=folder)
        assert read_regular_file("a.json", 10, folder=folder) == b"new"
    finally:
        os.close(folder)


def test_a_read_returns_at_most_one_byte_above_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    assert read_regular_file(tmp_path / "a", 10) == b"0123456789"
    assert read_regular_file(tmp_path / "a", 4) == b"01234"


def test_links_pipes_and_folders_are_refused_without_waiting(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("link", "pipe", "."):
        with pytest.raises(OSError, match=r"regular file|symbolic links"):
            read_regular_file(tmp_path / name, 10)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    (tmp_path / "folder").symlink_to(tmp_path)
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        open_folder(tmp_path / "folder")
