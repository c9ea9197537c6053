"""outfeed mark: a person's word reaches picture, journal and whoever subscribes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from edge.events.event import MarkEvent, gap_event
from edge.journal.writer import Journal
from edge.pictures.file_name import list_pictures
from edge.pictures.record import read_picture
from tests.cli.conftest import PATIENT, Outfeed
from tests.support.station_runs import events, wait_for


def marks(folder: Path) -> list[MarkEvent]:
    return [event for event in events(folder) if isinstance(event, MarkEvent)]


def test_a_running_station_takes_marks(
    outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path
) -> None:
    path = configure("[pictures]\nmin_free_mb = 0\nring_frames = 100000\n", loop="true")
    command = [sys.executable, "-m", "edge", "--quiet", "run", "--config", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        journal = tmp_path / "state/journal.sqlite"
        wait_for(
            lambda: process.poll() is None and journal.exists() and len(events(tmp_path)) > 12,
            "12 events",
        )
        said = outfeed("mark", "--config", path, 2, "--as", "escape", "--note", "a crack")
        assert (said.status, said.out, said.err) == (0, "part 2: escape\n", "")
        assert outfeed("mark", "--config", path, 1, "--as", "false-reject").status == 0
        none = outfeed("mark", "--config", path, 999_999)
        assert none.status == 1
        assert "part 999999 does not exist; the last one in the journal is" in none.line
        assert outfeed("mark", "--config", path, "--last").status == 0
        wait_for(lambda: len(marks(tmp_path)) == 3, "three marks")
        wait_for(lambda: not list((tmp_path / "state/inbox").iterdir()), "an empty inbox")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    escape, false, last = marks(tmp_path)
    assert (escape.part_id, escape.mark, escape.note) == (2, "escape", "a crack")
    assert (false.part_id, false.mark) == (1, "false-reject")
    assert last.picture is not None
    album = tmp_path / "state/pictures"
    for event in (escape, false, last):
        record = read_picture(album / str(event.picture)).record
        assert record.part_id == event.part_id
        assert [mark.id for mark in record.marks] == [event.mark_id]
    assert str(escape.picture).endswith("-2-mark.png")  # a good part, from memory
    assert str(false.picture).endswith("-1-reject.png")  # in the picture store already
    assert len(list_pictures(album)) >= 3


def test_a_station_that_is_down_reads_it_when_it_starts(
    outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path
) -> None:
    path = configure("[pictures]\nmin_free_mb = 0\n", **PATIENT)
    assert outfeed("--quiet", "run", "--config", path).status == 0
    assert outfeed("mark", "--config", path, 1, "--as", "false-reject").status == 0
    assert marks(tmp_path) == []
    outfeed("--quiet", "run", "--config", path)
    (mark,) = marks(tmp_path)
    assert (mark.part_id, mark.mark) == (1, "false-reject")
    assert str(mark.picture).endswith("-1-reject.png")


def test_what_is_refused(outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path) -> None:
    path = configure()
    for arguments, status, said in (
        ((), 2, "mark takes either a PART or --last"),
        ((1, "--last"), 2, "mark takes either a PART or --last"),
        ((1, "--as", "bad"), 2, "--as bad: expected escape, false-reject, true-reject, look"),
        ((1, "--note", "x" * 201), 2, "--note has 201 characters, at most 200 are allowed"),
        (("--last",), 1, "journal.sqlite: no part among the last 64 events"),
    ):
        result = outfeed("mark", "--config", path, *arguments)
        assert (result.status, said in result.line) == (status, True), result.err
    off = outfeed("mark", "--config", configure("[pictures]\nenabled = false\n"), 1)
    assert (off.status, "pictures.enabled is false" in off.line) == (2, True)
    assert not (tmp_path / "state").exists()
    (tmp_path / "state").write_bytes(b"")
    result = outfeed("mark", "--config", configure(), 1)
    assert (result.status, "inbox: cannot be written" in result.line) == (1, True)


def test_where_nobody_can_say_whether_there_is_such_a_part_the_mark_is_taken(
    outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path
) -> None:
    """No journal yet, as where the disk was full from the first start, or a damaged one."""
    path = configure("[pictures]\nmin_free_mb = 0\n", **PATIENT)
    state = tmp_path / "state"
    state.mkdir()
    assert outfeed("mark", "--config", path, 7, "--as", "escape").status == 0
    (state / "journal.sqlite").write_bytes(b"damaged" * 1000)
    assert outfeed("mark", "--config", path, 7, "--as", "escape").status == 0
    assert len(list((state / "inbox").iterdir())) == 2


def test_before_the_first_part(
    outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path
) -> None:
    path = configure("[pictures]\nmin_free_mb = 0\n", **PATIENT)
    (tmp_path / "state").mkdir()
    cursor = tmp_path / "state/cursor.json"
    with Journal.open(
        tmp_path / "state/journal.sqlite", station="s", max_bytes=1 << 20, cursor_path=cursor
    ) as journal:
        journal.append([gap_event("s", count=1, reason="a test")])
    result = outfeed("mark", "--config", path, 1)
    assert result.status == 1
    assert result.line.endswith("part 1 does not exist; no part has been inspected yet")
    assert not (tmp_path / "state/inbox").exists()
