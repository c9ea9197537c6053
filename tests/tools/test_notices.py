"""THIRD_PARTY_NOTICES names what requirements/ locks, with the licences of what is installed."""

from __future__ import annotations

from importlib import metadata

import pytest

from tools.notices import (
    NOTICES,
    UNKNOWN,
    LibraryNotice,
    current_notices,
    locked_libraries,
    parse_notices,
    render,
)

ROOT = NOTICES.parent
WRITTEN = parse_notices(NOTICES.read_text(encoding="utf-8"))


def test_the_file_is_current_with_the_requirements() -> None:
    locked = locked_libraries()
    assert len(locked) > 30
    written = {name: (each.versions, each.used_by) for name, each in WRITTEN.items()}
    assert written == {name: (each.versions, each.used_by) for name, each in locked.items()}


def test_every_library_has_a_licence_and_a_home_page() -> None:
    for notice in WRITTEN.values():
        assert notice.licence != UNKNOWN, notice.name
        assert notice.home_page.startswith("http"), notice.name


def test_licences_are_those_of_the_installed_libraries() -> None:
    for notice in current_notices(locked_libraries(), WRITTEN):
        try:
            installed = metadata.version(notice.name)
        except metadata.PackageNotFoundError:
            continue
        if installed == notice.versions[-1]:
            assert WRITTEN[notice.name].licence == notice.licence


def test_entries_are_read_as_they_are_written() -> None:
    one = LibraryNotice("a-b", ("1.0", "2.0"), "MIT", "https://example.org", ("station",))
    two = LibraryNotice("c", ("3",), "Apache-2.0 OR MIT", UNKNOWN, ("station", "make run"))
    assert parse_notices(render(iter([one, two]))) == {"a-b": one, "c": two}


def test_a_library_that_is_not_installed_keeps_its_entry() -> None:
    new = LibraryNotice("no-such-library", ("2.0",), used_by=("station",))
    old = LibraryNotice("no-such-library", ("1.0",), "MIT", "https://example.org", ("make run",))
    (notice,) = current_notices({"no-such-library": new}, {"no-such-library": old})
    assert notice == LibraryNotice(
        "no-such-library", ("2.0",), "MIT", "https://example.org", ("station",)
    )
    (unknown,) = current_notices({"no-such-library": new}, {})
    assert unknown.licence == UNKNOWN


@pytest.mark.parametrize("name", ["LICENSE", "THIRD_PARTY_NOTICES"])
def test_the_licence_and_the_notices_are_in_the_distribution(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert name in makefile.split("DIST_FILES := ", 1)[1].split("METHODS", 1)[0]
    assert (ROOT / name).is_file()


def test_the_licence_is_apache_2() -> None:
    assert "SPDX-License-Identifier: Apache-2.0" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'license = "Apache-2.0"' in project
    assert 'license-files = ["LICENSE", "THIRD_PARTY_NOTICES"]' in project
