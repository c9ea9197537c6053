"""The updates of bundle and system on the page of the station."""

from __future__ import annotations

import json
from pathlib import Path

from edge.events.system_update import SystemUpdateEvent
from edge.station_page.updates import UpdatesReader, updates_block
from edge.update_notes import UpdateNote
from edge.updates.state import UpdateState, write_state
from edge.updates.system.boot_loader import SystemImage
from edge.updates.system.record import SystemRecord, note_of, write_record
from tests.support.station_page import page_config, part, station_page, write_journal

NOW_S = 1_800_000_000.0
NOTE = UpdateNote(
    "1" * 32, "2" * 32, 7, "dark-spots", "1.2", "a" * 64, "reverted", "<b>slow</b>", "old-1", "x"
)
IMAGE = SystemImage("pc", "outfeed-pc", "grub", "1.4", "A")


def reader(folder: Path) -> UpdatesReader:
    return UpdatesReader(folder / "updates.json", root=folder / "root", systems=folder / "systems")


def flash(folder: Path) -> None:
    about = folder / "root/usr/lib/outfeed/system"
    about.parent.mkdir(parents=True)
    about.write_text("BOARD=pc\nCOMPATIBLE=outfeed-pc\nLOADER=grub\nVERSION=1.4\n")
    slot = folder / "root/run/outfeed-boot/slot"
    slot.parent.mkdir(parents=True)
    slot.write_text("A\n")


def test_a_unit_without_updates_shows_nothing(tmp_path: Path) -> None:
    assert updates_block(reader(tmp_path).read(), NOW_S) == ""


def test_the_states_of_both_kinds_are_shown(tmp_path: Path) -> None:
    flash(tmp_path)
    known = reader(tmp_path)
    assert "System 1.4, started from slot A" in updates_block(known.read(), NOW_S)
    write_state(tmp_path / "updates.json", UpdateState(revision=7, last=NOTE))
    record = SystemRecord(phase="trial", version="1.5", slot="B")
    write_record(record, tmp_path / "systems")
    shown = updates_block(known.read(), NOW_S)
    assert "Last change of a bundle: dark-spots 1.2 reverted: &lt;b&gt;slow&lt;/b&gt;" in shown
    assert '<li class="open">Update of the system to 1.5 in slot B: trial' in shown
    changed = record.model_copy(update={"phase": "reverted", "reason": "it hung"})
    write_record(changed, tmp_path / "systems")
    assert '<li class="bad">Update of the system to 1.5 in slot B: reverted: it hung' in (
        updates_block(known.read(), NOW_S)
    )


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    for name in ("updates.json", "updates.backup.json"):
        (tmp_path / name).write_text("{")
    shown = updates_block(reader(tmp_path).read(), NOW_S)
    assert "updates.json: is damaged" in shown


def test_a_real_page_shows_the_state_of_a_bundle(tmp_path: Path) -> None:
    config = page_config(tmp_path)
    note = note_of(SystemRecord(version="1.5", slot="B"), "installed", IMAGE)
    event = SystemUpdateEvent(
        station="press-1",
        boot_id="boot",
        utc="2026-11-30T12:00:00.000000Z",
        change_id=note.id,
        update_id="",
        state="installed",
        version="1.5",
        slot="B",
        reason="",
        running="1.4",
        running_slot="A",
        changed_utc=note.utc,
    )
    write_journal(config, [part(1), event])
    write_state(config.paths.updates, UpdateState(revision=7, last=NOTE))
    assert json.loads(config.paths.updates.read_text())["revision"] == 7
    with station_page(config) as client:
        shown = client.get("/").text
    assert '<section id="updates"><h2>Updates</h2>' in shown
    assert "dark-spots 1.2 reverted" in shown
