"""Tests of the collector: it copies marked parts to a quarantine and changes no source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import JournalError, QuarantineError
from edge.pictures.png import decode_picture, encode_picture
from edge.quarantine import open_index, read_index, read_pixels
from edge.quarantine.collect import collect
from tests.pictures.buffered_frames import ORIGIN, P, R, U, frame
from tests.quarantine.marked_station import MarkedStation


@pytest.fixture
def station(tmp_path: Path) -> Iterator[MarkedStation]:
    made = MarkedStation(tmp_path)
    yield made
    made.close()


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def gather(station: MarkedStation, folder: Path):
    return collect(station.journal_path, station.pictures_path, folder)


def test_marked_parts_are_copied_with_their_identity(
    station: MarkedStation, tmp_path: Path
) -> None:
    for number, decision in ((1, R), (2, P), (3, R), (4, R)):
        station.part(number, decision)
    reject_mark = station.mark(1, "false-reject", "only dust")
    escape_mark = station.mark(2, "escape")
    station.mark(3, "look")  # a look makes no claim
    before = tree(station.pictures_path)
    result = gather(station, tmp_path / "q")
    assert tree(station.pictures_path) == before
    assert result.refused == ()
    false, escape = result.index.entries
    assert result.index == read_index(tmp_path / "q")
    assert [false.id, escape.id] == [f"{station.journal.uuid}-1", f"{station.journal.uuid}-2"]
    assert (false.station, false.part_id, false.claim) == ("press-3", 1, "false-reject")
    assert [(m.id, m.note, m.utc) for m in false.marks] == [
        (reject_mark.id, "only dust", reject_mark.utc)
    ]
    assert (escape.claim, [m.id for m in escape.marks]) == ("escape", [escape_mark.id])
    assert false.judged is not None
    assert (false.judged.decision, false.judged.digest) == ("REJECT", ORIGIN.bundle_digest)
    assert false.doubts == escape.doubts == ()
    assert false.released is None
    np.testing.assert_array_equal(read_pixels(tmp_path / "q", escape), frame(2).pixels)


def test_a_second_run_changes_nothing(station: MarkedStation, tmp_path: Path) -> None:
    station.part(1, R)
    station.mark(1, "false-reject")
    gather(station, tmp_path / "q")
    first = tree(tmp_path / "q")
    again = gather(station, tmp_path / "q")
    assert (again.new, again.changed, again.refused) == ((), (), ())
    assert tree(tmp_path / "q") == first
    station.pictures()[0].unlink()  # the picture store removed it
    assert gather(station, tmp_path / "q").refused == ()
    assert tree(tmp_path / "q") == first


def test_new_marks_are_added_and_a_copied_picture_stays(
    station: MarkedStation, tmp_path: Path
) -> None:
    station.part(1, R)
    station.part(2, R)
    station.mark(1, "false-reject")
    before = gather(station, tmp_path / "q").index.entries[0]
    station.mark(1, "false-reject", "again")  # the file in the picture store is a new one now
    station.mark(2, "false-reject")
    result = gather(station, tmp_path / "q")
    one, two = result.index.entries
    assert (result.new, result.changed) == ((two.id,), (one.id,))
    assert [mark.note for mark in one.marks] == ["", "again"]
    assert one.picture == before.picture
    read_pixels(tmp_path / "q", one)


def test_contradicting_and_withdrawn_marks_are_doubts(
    station: MarkedStation, tmp_path: Path
) -> None:
    for number, decision in ((1, R), (2, R), (3, P), (4, R), (5, U), (6, R), (7, P), (8, R)):
        station.part(number, decision)
    station.mark(1, "false-reject")
    station.mark(1, "escape")
    station.mark(2, "false-reject")
    station.mark(2, "look", "not so sure")
    station.mark(3, "false-reject")
    station.mark(4, "escape")
    station.mark(5, "false-reject")
    for number, kind in ((6, "false-reject"), (7, "escape")):
        station.mark(number, "self-test")
        station.mark(number, kind)
    station.mark(8, "self-test")  # REJECT, as expected of a self-test part
    entries = gather(station, tmp_path / "q").index.entries
    assert [entry.claim for entry in entries] == [
        None,
        "false-reject",
        "false-reject",
        "escape",
        "false-reject",
        "false-reject",
        "escape",
    ]
    assert entries[6].doubts == ()
    doubts = [entry.doubts[0] for entry in entries[:6]]
    assert doubts[0].startswith("its marks contradict each other: false-reject (")
    assert doubts[1].startswith("marked false-reject, and later (")
    assert doubts[2:] == [
        "marked false-reject, and the decision was PASS",
        "marked escape, and the decision was REJECT",
        "marked false-reject, and the decision was UNKNOWN",
        "marked false-reject, and self-test, which is a known bad part",
    ]


def test_a_true_reject_is_a_claim_like_the_others(station: MarkedStation, tmp_path: Path) -> None:
    for number, decision in ((1, R), (2, P), (3, R)):
        station.part(number, decision)
        station.mark(number, "true-reject")
    station.mark(3, "false-reject")
    entries = gather(station, tmp_path / "q").index.entries
    assert [entry.claim for entry in entries] == ["true-reject", "true-reject", None]
    assert entries[0].doubts == ()
    assert entries[1].doubts == ("marked true-reject, and the decision was PASS",)
    assert entries[2].doubts[0].startswith("its marks contradict each other: true-reject (")


def test_a_missing_picture_is_listed(station: MarkedStation, tmp_path: Path) -> None:
    station.part(1, P, with_picture=False)
    station.mark(1, "escape")
    station.mark(9, "escape")  # an unknown part
    result = gather(station, tmp_path / "q")
    one, nine = result.index.entries
    assert (one.picture, one.claim, one.doubts) == (None, "escape", ())
    assert one.judged is not None
    assert one.judged.decision == "PASS"
    assert "not in the picture store" in one.missing
    assert nine.doubts == ("the decision of the station is not known any more",)
    assert len(result.refused) == 2
    with pytest.raises(QuarantineError, match="part 1 has no picture"):
        read_pixels(tmp_path / "q", one)


def test_damaged_and_foreign_pictures_are_refused(station: MarkedStation, tmp_path: Path) -> None:
    for number in range(1, 8):
        station.part(number, R)
        station.mark(number, "false-reject")
    cut, repainted, foreign, strange, bare, linked, huge = station.pictures()
    cut.write_bytes(cut.read_bytes()[:-30])
    pixels, text = decode_picture(repainted.read_bytes(), name="a")
    pixels[0, 0] ^= 1
    repainted.write_bytes(encode_picture(pixels, text))
    pixels, text = decode_picture(foreign.read_bytes(), name="a")
    foreign.write_bytes(encode_picture(pixels, text.replace('"part_id":3', '"part_id":4')))
    pixels, text = decode_picture(strange.read_bytes(), name="a")
    record = json.loads(text)
    record["journal"] = record["journal"][:8] + "/../../../evil"
    strange.write_bytes(encode_picture(pixels, json.dumps(record)))
    cv2.imwrite(str(bare), pixels)
    target = tmp_path / "elsewhere.png"
    linked.rename(target)
    linked.symlink_to(target)
    claims = bytearray(huge.read_bytes())
    claims[16:24] = b"\x00\x00\xff\xff" * 2
    huge.write_bytes(claims)
    (station.pictures_path / "notes.txt").write_text("no picture")
    result = gather(station, tmp_path / "q")
    assert all(entry.picture is None for entry in result.index.entries)
    missing = {entry.part_id: entry.missing for entry in result.index.entries}
    assert "is cut short" in missing[1]
    assert "not those that were inspected" in missing[2]
    assert "its record is of another part" in missing[3]
    assert "no record of a part" in missing[5]
    assert "is not a regular file" in missing[6]
    assert "claims 65535×65535 px" in missing[7]
    assert any("key 'journal'" in line for line in result.refused)
    assert set(tree(tmp_path / "q")) == {"quarantine.json", "quarantine.backup.json"}
    assert not (tmp_path / "evil-4.png").exists()


def test_altered_files_of_the_folder_are_refused(station: MarkedStation, tmp_path: Path) -> None:
    station.part(1, R)
    station.mark(1, "false-reject")
    (entry,) = gather(station, tmp_path / "q").index.entries
    path = tmp_path / "q" / entry.file
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"x")
    with pytest.raises(QuarantineError, match=r"quarantine\.json names \(SHA-256\)"):
        read_pixels(tmp_path / "q", entry)
    path.unlink()
    with pytest.raises(QuarantineError, match=r"-1\.png: is not a regular file"):
        read_pixels(tmp_path / "q", entry)
    gather(station, tmp_path / "q")  # copies it again
    read_pixels(tmp_path / "q", entry)
    index = tmp_path / "q/quarantine.json"
    text = index.read_text()
    for old, new, line in (
        (station.journal.uuid, "../../../../etc", "journal"),
        ('"part_id": 1', '"part_id": 0', "part_id"),
        ('"format": 1', '"format": 1, "more": 2', "unknown key 'more'"),
        ("{", "", "invalid JSON"),
    ):
        index.write_text(text.replace(old, new, 1))
        with pytest.raises(QuarantineError, match=r"quarantine\.json: .*" + line):
            read_index(tmp_path / "q")
        with pytest.raises(QuarantineError):
            gather(station, tmp_path / "q")
        assert index.read_text() == text.replace(old, new, 1)


def test_one_process_at_a_time_and_no_foreign_folders(
    station: MarkedStation, tmp_path: Path
) -> None:
    gather(station, tmp_path / "q")
    with open_index(tmp_path / "q"), pytest.raises(JournalError, match="another process"):
        gather(station, tmp_path / "q")
    (tmp_path / "other").mkdir()
    with pytest.raises(QuarantineError, match="expected a folder"), open_index(tmp_path / "other"):
        pass
    assert list((tmp_path / "other").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(QuarantineError, match="cannot be created"):
        gather(station, tmp_path / "file")


def test_a_station_without_a_journal_has_no_marks(tmp_path: Path) -> None:
    result = collect(tmp_path / "journal.sqlite", tmp_path / "pictures", tmp_path / "q")
    assert (result.index.entries, result.refused) == ((), ())
    assert read_index(tmp_path / "q").entries == ()
