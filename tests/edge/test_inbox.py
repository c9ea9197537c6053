"""The inbox: what people leave arrives once and in order; what is no mark does no harm."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import InboxError
from edge.inbox import (
    MAX_PAGE_MARKS,
    MAX_WAITING,
    Inbox,
    Mark,
    PageMarks,
    StationAnswer,
    new_mark,
)


def mark(number: int) -> Mark:
    made = new_mark(number, "look", f"part {number}")
    return replace(made, utc=f"2026-01-01T00:00:{number:02d}.000000Z")


def test_marks_wait_in_their_order_until_they_are_removed(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox")
    assert inbox.waiting() == []
    marks = [mark(number) for number in range(1, 6)]
    for each in reversed(marks):
        inbox.post(each)
    assert Inbox(tmp_path / "inbox").waiting() == marks
    assert inbox.waiting(2) == marks[:2]
    inbox.remove(marks[0])
    inbox.remove(marks[0])
    assert inbox.waiting() == marks[1:]


def test_no_more_wait_than_a_station_can_be_told(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    for number in range(MAX_WAITING):
        (tmp_path / f"{number}.json").write_bytes(b"")
    with pytest.raises(InboxError, match="256 files wait already; is the station running"):
        inbox.post(mark(1))


def test_what_is_no_mark_is_removed_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inbox, good = Inbox(tmp_path), mark(9)
    inbox.post(good)
    text = next(tmp_path.iterdir()).read_bytes()
    for name, data in (
        ("1.json", b""),
        ("2.json", b"[1, 2]"),
        ("3.json", text.replace(b'"part_id":9', b'"part_id":0')),
        ("4.json", text.replace(b'"kind":"look"', b'"kind":"stop"')),
        ("5.json", b"x" * 5000),
        ("6.json", text),  # under another name it would never be removed
    ):
        (tmp_path / name).write_bytes(data)
    (tmp_path / ".7.json.part").write_bytes(b"being written")
    (tmp_path / "notes.txt").write_bytes(b"somebody's")
    assert inbox.waiting() == [good]
    assert len(caplog.messages) == 6
    assert all(line.startswith("mark_refused file=") for line in caplog.messages)
    assert "key 'part_id'" in caplog.text
    assert "key 'kind'" in caplog.text
    caplog.clear()
    assert inbox.waiting() == [good]
    assert caplog.messages == []
    assert len(list(tmp_path.iterdir())) == 3


def test_a_file_that_cannot_be_removed_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.json").mkdir()  # neither read nor unlinked
    inbox = Inbox(tmp_path)
    assert [inbox.waiting(), inbox.waiting()] == [[], []]
    heads = [line.split()[0] for line in caplog.messages]
    assert heads == ["mark_refused", "mark_not_removed"]


def test_what_root_writes_belongs_to_whom_the_state_belongs(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 12345, 23456)
    before = os.umask(0o077)
    try:
        Inbox(state / "inbox").post(mark(1))
    finally:
        os.umask(before)
    for path in (state / "inbox", *(state / "inbox").iterdir()):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


def test_no_state_is_made_for_a_station_that_never_ran(tmp_path: Path) -> None:
    """It would be root's, and the station could not write it."""
    with pytest.raises(InboxError, match="state: is missing: no station has run on it yet"):
        Inbox(tmp_path / "state/inbox").post(mark(1))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "inbox").write_bytes(b"")
    with pytest.raises(InboxError, match="inbox: cannot be written: "):
        Inbox(tmp_path / "inbox").post(mark(1))
    assert Inbox(tmp_path / "inbox").waiting() == []


def test_marks_of_the_page_are_read_and_left_where_they_are(tmp_path: Path) -> None:
    written, read = Inbox(tmp_path / "marks"), PageMarks(tmp_path / "marks")
    assert read.waiting() == []  # the page has made no folder yet
    marks = [mark(number) for number in (1, 2)]
    for each in marks:
        written.post(each)
    assert read.waiting() == marks
    read.remove(marks[0])
    assert read.waiting() == marks[1:]
    assert len(list((tmp_path / "marks").iterdir())) == 2
    # The page removes the file when the journal has the mark. The name can be used again.
    written.remove(marks[0])
    assert read.waiting() == marks[1:]
    # At the next start of the station the mark that is still there is taken again, with its id.
    assert PageMarks(tmp_path / "marks").waiting() == marks[1:]


def test_the_page_can_leave_neither_answers_nor_marks_that_change_verdicts(tmp_path: Path) -> None:
    written, read = Inbox(tmp_path), PageMarks(tmp_path)
    answer = StationAnswer("0" * 32, "mark", "done", "", "", 1, 0, "2026-01-31T00:00:00Z")
    written.post(answer)
    written.post(new_mark(5, "self-test", ""))
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "link.json").symlink_to("/etc/passwd")
    assert read.waiting() == []
    assert len(list(tmp_path.iterdir())) == 5  # nothing of another user is removed
    good = new_mark(6, "look", "ada")
    written.post(good)
    assert read.waiting() == [good]


def test_the_page_leaves_a_limited_number_of_marks(tmp_path: Path) -> None:
    now_s = [0.0]
    written, read = Inbox(tmp_path), PageMarks(tmp_path, lambda: now_s[0])
    taken = 0
    for number in range(1, 301):
        written.post(mark(number))
        for each in read.waiting():
            read.remove(each)
            written.remove(each)
            taken += 1
    assert taken == MAX_PAGE_MARKS
    now_s[0] = 3601.0
    assert len(read.waiting()) == 4
    for number in range(5_000):  # a hostile page; its names are never all held
        (tmp_path / f"{number}.json").touch()
    assert len(read.waiting()) <= 4
    assert len(read._stuck) <= 1024
