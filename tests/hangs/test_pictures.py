"""Pictures when something hangs: the last frames are saved, and a bad disk stops nothing."""

from __future__ import annotations

import pytest

from edge.__main__ import main
from edge.pictures.file_name import list_pictures
from edge.pictures.keep_rules import KeepReason
from edge.pictures.record import read_picture
from tests.hangs.conftest import CLOCK, Unit
from tests.hangs.progress import S, eventually, goes_on, heartbeats_since, live


@pytest.mark.parametrize("stage", ["camera", "journal"])
def test_a_stage_that_hangs_leaves_the_last_frames(
    unit: Unit, stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    unit.start()
    goes_on(unit)
    unit.hang(stage)
    assert unit.running.wait(60) == 1
    unit.process = None
    album = unit.state / "pictures"
    names = list_pictures(album)
    saved = [name for name in names if name.reason is KeepReason.CRASH]
    assert saved, unit.log()
    assert not list(album.glob(".*.part"))
    # Good parts without a request for them, the latest first.
    parts = [name.part_id for name in saved]
    assert parts == sorted(parts, reverse=True)
    verdicts = {event.part_id: event.decision for event in unit.history().parts}
    for name in saved:
        record = read_picture(album / str(name)).record
        assert record.part_id == name.part_id
        if record.verdict is not None and name.part_id in verdicts:
            assert record.verdict.decision == verdicts[name.part_id]
    capsys.readouterr()
    assert main(["replay", "--config", str(unit.config), "--all"]) == 0, capsys.readouterr()


def test_a_picture_disk_that_hangs_stops_nothing(unit: Unit) -> None:
    """Heartbeats, verdicts and rejects go on; the end comes in order and does not wait for it."""
    unit.start()
    goes_on(unit)
    eventually(lambda: list_pictures(unit.state / "pictures"))
    began_ns = unit.hang("pictures")
    goes_on(unit, 10)
    live(2.0)
    assert max(heartbeats_since(unit, began_ns)) > began_ns / 1e9 + 1.0
    asked_ns = CLOCK.now_ns()
    unit.stop()
    assert CLOCK.now_ns() - asked_ns < 12 * S
    history = unit.history()
    history.obeys()
    assert {part.decision for part in history.parts} >= {"PASS", "REJECT"}
    assert "pictures_given_up" in unit.log()
    kept = len(list_pictures(unit.state / "pictures"))
    unit.heal()
    unit.start()
    eventually(lambda: len(list_pictures(unit.state / "pictures")) > kept)
    assert not list((unit.state / "pictures").glob(".*.part"))
    unit.stop()
