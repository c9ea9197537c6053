"""The highest version that a station accepted: kept over power losses, never silently forgotten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.bundle import Manifest
from edge.bundle.accepted import AcceptedVersions, read_accepted, write_accepted
from edge.bundle.version import raised, version_key
from edge.errors import BundleError
from tests.edge.archives import CONTENT


def of(version: str, name: str = "tiles") -> Manifest:
    return CONTENT.model_copy(update={"name": name, "version": version})


def refusal(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        read_accepted(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert len(line.splitlines()) == 1
    return line.removeprefix(f"{path}: ")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "bundles.json"


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1", "2"),
        ("1.9", "1.10"),
        ("1.2", "1.2.1"),
        ("0.9.9", "1"),
        ("1.0", "1.0.0.1"),
        ("2026.01.15", "2026.2.1"),
        ("9", "10"),
        ("1+b", "2+a"),
    ],
)
def test_versions_are_compared_as_numbers(lower: str, higher: str) -> None:
    assert version_key(lower) < version_key(higher)
    accepted = AcceptedVersions.none().after(of(higher))
    with pytest.raises(BundleError) as caught:
        accepted.refuse_downgrade(of(lower))
    assert str(caught.value) == (
        f"is version {lower} of tiles, and {higher} has been accepted here; "
        "trust.allow_downgrade = true permits it"
    )
    AcceptedVersions.none().after(of(lower)).refuse_downgrade(of(higher))


@pytest.mark.parametrize(
    ("one", "other"), [("1", "1.0"), ("1.2+a", "1.2+b"), ("1", "1+trial"), ("1.01", "1.1")]
)
def test_versions_that_are_the_same(one: str, other: str) -> None:
    assert version_key(one) == version_key(other)
    for first, second in ((one, other), (other, one)):
        AcceptedVersions.none().after(of(first)).refuse_downgrade(of(second))


def test_each_name_has_its_own(path: Path) -> None:
    accepted = AcceptedVersions.none().after(of("3")).after(of("1", "other"))
    accepted.refuse_downgrade(of("1", "other"))
    accepted.refuse_downgrade(of("0.1", "new"))
    with pytest.raises(BundleError, match="is version 2 of tiles"):
        accepted.refuse_downgrade(of("2"))


def test_the_highest_stays(path: Path) -> None:
    accepted = AcceptedVersions.none().after(of("3")).after(of("2")).after(of("3.0"))
    assert accepted.highest == {"tiles": "3"}


def test_it_comes_back_as_it_was_written(path: Path) -> None:
    assert read_accepted(path) == AcceptedVersions.none()
    assert not path.parent.exists()
    accepted = AcceptedVersions.none().after(of("1.2+a")).after(of("2", "other"))
    write_accepted(path, accepted)
    assert read_accepted(path) == accepted
    write_accepted(path, accepted.after(of("9")))
    assert read_accepted(path).highest["tiles"] == "9"
    assert [entry.name for entry in path.parent.iterdir()] == ["bundles.json"]


def test_a_damaged_file_is_not_taken_for_an_empty_one(path: Path) -> None:
    write_accepted(path, AcceptedVersions.none().after(of("1.2")))
    whole = path.read_bytes()
    for size in range(len(whole) - 1):  # without the last line break it is still whole
        path.write_bytes(whole[:size])
        assert refusal(path).startswith("is damaged: ")
        assert path.read_bytes() == whole[:size]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[]", "is damaged: key '(file)': input should be an object"),
        (b'{"format": 2}', "is damaged: key 'format': input should be 1, found 2"),
        (
            b'{"format": 1, "highest": {"tiles": "v1"}}',
            "is damaged: key 'highest.tiles': string should",
        ),
        (
            b'{"format": 1, "highest": {"../x": "1"}}',
            "is damaged: key 'highest.../x.[key]': string should",
        ),
        (
            b'{"format": 1, "highest": {"tiles": 1}}',
            "is damaged: key 'highest.tiles': input should",
        ),
        (b"{}", "is damaged: key 'format' is missing"),
        (b'{"format": 1}', "is damaged: key 'highest' is missing"),
        (b'{"format": 1, "highest": {}, "lowest": {}}', "is damaged: unknown key 'lowest'"),
        (b"\0" * 50, "is damaged: key '(file)': invalid JSON"),
        (b" " * 2_000_000, "is larger than 1048576 bytes; removing it permits"),
    ],
)
def test_what_a_file_may_not_say(path: Path, content: bytes, said: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    line = refusal(path)
    assert line.startswith(said)
    assert line.endswith("removing it permits every version again")


def test_a_file_that_cannot_be_read(path: Path) -> None:
    path.mkdir(parents=True)
    assert refusal(path) == "cannot be read: Is a directory"


def test_a_write_that_fails_leaves_what_was_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = AcceptedVersions.none().after(of("1"))
    write_accepted(path, before)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BundleError) as caught:
        write_accepted(path, before.after(of("2")))
    assert str(caught.value) == f"{path}: cannot be written: No space left on device"
    assert read_accepted(path) == before


@pytest.mark.parametrize(
    ("version", "following"),
    [("1", "2"), ("1.9", "1.10"), ("1.4.2+trial", "1.4.3+trial"), ("0", "1")],
)
def test_the_next_version_is_above(version: str, following: str) -> None:
    assert raised(version) == following
    assert version_key(following) > version_key(version)


def test_a_version_that_has_no_next_one() -> None:
    with pytest.raises(ValueError, match="cannot be raised"):
        raised("1.999999999")
