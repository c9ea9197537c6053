"""Tests of the release: a marked part is used as feedback only after a person released it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import QuarantineError, UsageError
from edge.quarantine.collect import collect
from edge.quarantine.index import QuarantineIndex
from edge.quarantine.release import find_entries, release, undoubted_entries, withhold
from tests.pictures.buffered_frames import P, R
from tests.quarantine.marked_station import MarkedStation


def release_parts(index: QuarantineIndex, names: list[str], **given) -> QuarantineIndex:
    return release(index, find_entries(index, names), by="Ada", utc="2026-01-01T00:00:00Z", **given)


@pytest.fixture
def index(tmp_path: Path) -> QuarantineIndex:
    """Part 1: a false reject. 2: in doubt. 3: an escape without a picture."""
    station = MarkedStation(tmp_path)
    for number, decision in ((1, R), (2, R), (3, P)):
        station.part(number, decision, with_picture=number != 3)
    station.mark(1, "false-reject")
    station.mark(2, "false-reject")
    station.mark(2, "escape")
    station.mark(3, "escape")
    collected = collect(station.journal_path, station.pictures_path, tmp_path / "q").index
    station.close()
    return collected


def test_no_part_is_released_automatically(index: QuarantineIndex) -> None:
    assert [entry.released for entry in index.entries] == [None, None, None]
    assert [entry.part_id for entry in undoubted_entries(index)] == [1]


def test_a_release_names_a_person_and_can_be_withdrawn(index: QuarantineIndex) -> None:
    done = release_parts(index, ["1"])
    assert [entry.released for entry in done.entries] == ["false-reject", None, None]
    assert done.entries[0].release is not None
    assert done.entries[0].release.by == "Ada"
    assert withhold(done, find_entries(done, ["1"])) == index


def test_a_part_in_doubt_needs_a_claim_by_the_engineer(index: QuarantineIndex) -> None:
    with pytest.raises(QuarantineError, match=r"part 2: its marks contradict .* --as"):
        release_parts(index, ["1", "2"])
    assert release_parts(index, ["2"], claim="escape").entries[1].released == "escape"


def test_a_part_without_a_picture_cannot_be_released(index: QuarantineIndex) -> None:
    with pytest.raises(QuarantineError, match="part 3: has no picture"):
        release_parts(index, ["3"], claim="escape")


def test_a_later_mark_makes_a_release_void(index: QuarantineIndex) -> None:
    entry = release_parts(index, ["1"]).entries[0]
    more = index.entries[1].marks[0]
    assert entry.model_copy(update={"marks": (*entry.marks, more)}).released is None
    assert entry.picture is not None
    other = entry.picture.model_copy(update={"pixels_sha256": "0" * 64})
    assert entry.model_copy(update={"picture": other}).released is None


def test_parts_are_found_by_number_or_id(index: QuarantineIndex) -> None:
    (one,) = find_entries(index, [index.entries[0].id])
    assert one.part_id == 1
    with pytest.raises(UsageError, match="77: names 0 parts"):
        find_entries(index, ["77"])
    first = "0" if one.journal[0] == "f" else "f"
    twin = one.model_copy(update={"journal": first + one.journal[1:]})
    both = index.with_entries({twin.id: twin})
    with pytest.raises(UsageError, match=f"1: names 2 parts .*{twin.id}"):
        find_entries(both, ["1"])
