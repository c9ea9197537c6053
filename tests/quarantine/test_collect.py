"""From journal and album to a quarantine: what is copied, shown, refused, and never changed."""

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
from tests.quarantine.plant import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    found = House(tmp_path)
    yield found
    found.close()


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def gather(house: House, folder: Path):
    return collect(house.journal_path, house.album, folder)


def test_marked_parts_are_copied_with_all_that_names_them(house: House, tmp_path: Path) -> None:
    for number, decision in ((1, R), (2, P), (3, R), (4, R)):
        house.part(number, decision)
    kick = house.mark(1, "false-reject", "only dust")
    slip = house.mark(2, "escape")
    house.mark(3, "look")  # says nothing of what the part is
    album = tree(house.album)
    found = gather(house, tmp_path / "q")
    assert tree(house.album) == album
    assert found.refused == ()
    false, escape = found.index.entries
    assert found.index == read_index(tmp_path / "q")
    assert [false.id, escape.id] == [f"{house.journal.uuid}-1", f"{house.journal.uuid}-2"]
    assert (false.station, false.part_id, false.claim) == ("press-3", 1, "false-reject")
    assert [(m.id, m.note, m.utc) for m in false.marks] == [(kick.id, "only dust", kick.utc)]
    assert (escape.claim, [m.id for m in escape.marks]) == ("escape", [slip.id])
    assert false.judged is not None
    assert (false.judged.decision, false.judged.digest) == ("REJECT", ORIGIN.bundle_digest)
    assert false.doubts == escape.doubts == ()
    assert false.released is None
    np.testing.assert_array_equal(read_pixels(tmp_path / "q", escape), frame(2).pixels)


def test_done_again_it_changes_nothing(house: House, tmp_path: Path) -> None:
    house.part(1, R)
    house.mark(1, "false-reject")
    gather(house, tmp_path / "q")
    first = tree(tmp_path / "q")
    again = gather(house, tmp_path / "q")
    assert (again.new, again.changed, again.refused) == ((), (), ())
    assert tree(tmp_path / "q") == first
    house.pictures()[0].unlink()  # the album has let go of it
    assert gather(house, tmp_path / "q").refused == ()
    assert tree(tmp_path / "q") == first


def test_what_is_new_is_added_and_a_picture_stays(house: House, tmp_path: Path) -> None:
    house.part(1, R)
    house.part(2, R)
    house.mark(1, "false-reject")
    before = gather(house, tmp_path / "q").index.entries[0]
    house.mark(1, "false-reject", "again")  # the album's file is another one now
    house.mark(2, "false-reject")
    found = gather(house, tmp_path / "q")
    one, two = found.index.entries
    assert (found.new, found.changed) == ((two.id,), (one.id,))
    assert [mark.note for mark in one.marks] == ["", "again"]
    assert one.picture == before.picture
    read_pixels(tmp_path / "q", one)


def test_marks_that_contradict_or_are_taken_back_are_shown(house: House, tmp_path: Path) -> None:
    for number, decision in ((1, R), (2, R), (3, P), (4, R), (5, U), (6, R), (7, P), (8, R)):
        house.part(number, decision)
    house.mark(1, "false-reject")
    house.mark(1, "escape")
    house.mark(2, "false-reject")
    house.mark(2, "look", "not so sure")
    house.mark(3, "false-reject")
    house.mark(4, "escape")
    house.mark(5, "false-reject")
    for number, kind in ((6, "false-reject"), (7, "escape")):
        house.mark(number, "self-test")
        house.mark(number, kind)
    house.mark(8, "self-test")  # found, as it should be: nobody's mistake
    entries = gather(house, tmp_path / "q").index.entries
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
    said = [entry.doubts[0] for entry in entries[:6]]
    assert said[0].startswith("its marks contradict each other: false-reject (")
    assert said[1].startswith("marked false-reject, and later (")
    assert said[2:] == [
        "marked false-reject, and the decision was PASS",
        "marked escape, and the decision was REJECT",
        "marked false-reject, and the decision was UNKNOWN",
        "marked false-reject, and self-test, which is a known bad part",
    ]


def test_a_true_reject_is_a_claim_like_the_others(house: House, tmp_path: Path) -> None:
    for number, decision in ((1, R), (2, P), (3, R)):
        house.part(number, decision)
        house.mark(number, "true-reject")
    house.mark(3, "false-reject")
    entries = gather(house, tmp_path / "q").index.entries
    assert [entry.claim for entry in entries] == ["true-reject", "true-reject", None]
    assert entries[0].doubts == ()
    assert entries[1].doubts == ("marked true-reject, and the decision was PASS",)
    assert entries[2].doubts[0].startswith("its marks contradict each other: true-reject (")


def test_a_picture_that_is_gone_is_listed(house: House, tmp_path: Path) -> None:
    house.part(1, P, kept=False)
    house.mark(1, "escape")
    house.mark(9, "escape")  # a part that nobody knows
    found = gather(house, tmp_path / "q")
    one, nine = found.index.entries
    assert (one.picture, one.claim, one.doubts) == (None, "escape", ())
    assert one.judged is not None
    assert one.judged.decision == "PASS"
    assert "not in the album" in one.missing
    assert nine.doubts == ("what was decided is not known any more",)
    assert len(found.refused) == 2
    with pytest.raises(QuarantineError, match="part 1 has no picture"):
        read_pixels(tmp_path / "q", one)


def test_bad_content_of_the_album(house: House, tmp_path: Path) -> None:
    for number in range(1, 8):
        house.part(number, R)
        house.mark(number, "false-reject")
    cut, repainted, foreign, strange, bare, linked, huge = house.pictures()
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
    (house.album / "notes.txt").write_text("no picture")
    found = gather(house, tmp_path / "q")
    assert all(entry.picture is None for entry in found.index.entries)
    said = {entry.part_id: entry.missing for entry in found.index.entries}
    assert "is cut short" in said[1]
    assert "not those that were judged" in said[2]
    assert "its record is of another part" in said[3]
    assert "no record of a part" in said[5]
    assert "is no file of its own" in said[6]
    assert "claims 65535×65535 px" in said[7]
    assert any("key 'journal'" in line for line in found.refused)
    assert set(tree(tmp_path / "q")) == {"quarantine.json", "quarantine.backup.json"}
    assert not (tmp_path / "evil-4.png").exists()


def test_what_lies_in_the_folder_is_not_believed(house: House, tmp_path: Path) -> None:
    house.part(1, R)
    house.mark(1, "false-reject")
    (entry,) = gather(house, tmp_path / "q").index.entries
    path = tmp_path / "q" / entry.file
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"x")
    with pytest.raises(QuarantineError, match=r"quarantine\.json names \(SHA-256\)"):
        read_pixels(tmp_path / "q", entry)
    path.unlink()
    with pytest.raises(QuarantineError, match=r"-1\.png: is no file of its own"):
        read_pixels(tmp_path / "q", entry)
    gather(house, tmp_path / "q")  # brings it back
    read_pixels(tmp_path / "q", entry)
    index = tmp_path / "q/quarantine.json"
    text = index.read_text()
    for old, new, said in (
        (house.journal.uuid, "../../../../etc", "journal"),
        ('"part_id": 1', '"part_id": 0', "part_id"),
        ('"format": 1', '"format": 1, "more": 2', "unknown key 'more'"),
        ("{", "", "invalid JSON"),
    ):
        index.write_text(text.replace(old, new, 1))
        with pytest.raises(QuarantineError, match=r"quarantine\.json: .*" + said):
            read_index(tmp_path / "q")
        with pytest.raises(QuarantineError):
            gather(house, tmp_path / "q")
        assert index.read_text() == text.replace(old, new, 1)


def test_one_at_a_time_and_no_folder_of_others(house: House, tmp_path: Path) -> None:
    gather(house, tmp_path / "q")
    with open_index(tmp_path / "q"), pytest.raises(JournalError, match="another process"):
        gather(house, tmp_path / "q")
    (tmp_path / "other").mkdir()
    with pytest.raises(QuarantineError, match="expected what"), open_index(tmp_path / "other"):
        pass
    assert list((tmp_path / "other").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(QuarantineError, match="cannot be made"):
        gather(house, tmp_path / "file")


def test_a_station_without_a_journal_has_no_marks(tmp_path: Path) -> None:
    found = collect(tmp_path / "journal.sqlite", tmp_path / "pictures", tmp_path / "q")
    assert (found.index.entries, found.refused) == ((), ())
    assert read_index(tmp_path / "q").entries == ()
