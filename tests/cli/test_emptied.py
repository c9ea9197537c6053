"""After a power cut left empty files or files of zeros, the station starts and reports them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.commission.record import conclude, read_record, write_record
from edge.config.station import load_config
from edge.doctor import disk
from edge.doctor.finding import Level
from edge.errors import QuarantineError
from edge.events.identity import JournalPosition
from edge.inbox import Inbox, new_mark
from edge.journal.cursor import read_cursor, write_cursor
from edge.pictures.file_name import list_pictures
from edge.quarantine.index import QuarantineIndex, read_index, write_index
from tests.cli.conftest import PATIENT, Outfeed
from tests.doctor.contexts import context

FULL = "[drift]\nlearn_parts = 200\nevery = 1\n[pictures]\nmin_free_mb = 1\npass_every = 1\n"


def lived_in(path: Path, outfeed: Outfeed) -> Path:
    """The state folder of a station that has run, with every file that one has."""
    config = load_config(path)
    assert outfeed("run", "--config", path).status == 0
    state = config.state_dir
    write_cursor(config.paths.cursor, JournalPosition("j", 5))
    write_record(config.paths.commissioning, conclude(config.id, "b", [], {}))
    for name in ("drift.json", "engine.json"):
        (state / name).write_text("{}")
    Inbox(config.paths.inbox).post(new_mark(1, "escape", "a crack"))
    names = {str(found.relative_to(state)) for found in state.rglob("*") if found.is_file()}
    expected = {"bundles.json", "bundles.backup.json", "commission.json", "self_test.json"}
    assert expected | {"commission.backup.json", "uplink.json", "drift.json"} <= names
    return state


@pytest.mark.parametrize("content", [b"", b"\0"])
def test_all_of_them_at_once(
    content: bytes, outfeed: Outfeed, configure: Callable[..., Path]
) -> None:
    path = configure(FULL, **PATIENT)
    state = lived_in(path, outfeed)
    for file in state.rglob("*"):
        if file.is_file():
            file.write_bytes(content * max(4096, file.stat().st_size))
    result = outfeed("run", "--config", path)
    assert result.status == 0
    assert "12 in " in result.out
    assert "0 events lost" not in result.err
    assert "bundles.json: was emptied, as by a power cut" in result.err
    assert " mark_refused file=" in result.err
    assert " drift_learns_anew reason=" in result.err
    assert list_pictures(state / "pictures")
    assert outfeed("run", "--config", path).status == 0


@pytest.mark.parametrize(
    "name",
    ["uplink.json", "drift.json", "self_test.json", "engine.json", "commission.json", "inbox/*"],
)
def test_each_of_them_alone(name: str, outfeed: Outfeed, configure: Callable[..., Path]) -> None:
    path = configure(FULL, **PATIENT)
    state = lived_in(path, outfeed)
    for file in state.glob(name):
        file.write_bytes(b"")
    result = outfeed("run", "--config", path)
    assert result.status == 0
    assert "12 in " in result.out


def test_pictures_and_the_bundle_that_judged_them(
    outfeed: Outfeed, configure: Callable[..., Path]
) -> None:
    path = configure(FULL, **PATIENT)
    state = lived_in(path, outfeed)
    (kept,) = (state / "bundles").iterdir()
    kept.write_bytes(b"")
    first, *others = list_pictures(state / "pictures")
    (state / "pictures" / str(first)).write_bytes(b"")
    (state / "pictures" / str(others[-1])).write_bytes(b"\0" * 5000)
    result = outfeed("run", "--config", path)
    assert result.status == 0
    assert f"picture_emptied file={first}" in result.err
    assert kept.stat().st_size > 0
    again = outfeed("replay", "--config", path, "--all")
    assert "Traceback" not in again.err
    assert str(others[-1]) in again.out + again.err


def test_a_commissioning_that_is_required_is_read_from_its_copy(
    outfeed: Outfeed, configure: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = configure(FULL, **PATIENT)
    config = load_config(path)
    lived_in(path, outfeed)
    before = read_record(config.paths.commissioning)
    config.paths.commissioning.write_bytes(b"\0" * 512)
    assert read_record(config.paths.commissioning) == before
    assert "file_emptied" in caplog.text


def test_the_index_of_a_quarantine(tmp_path: Path) -> None:
    write_index(tmp_path, QuarantineIndex())
    (tmp_path / "quarantine.json").write_bytes(b"")
    assert read_index(tmp_path) == QuarantineIndex()
    (tmp_path / "quarantine.backup.json").write_bytes(b"")
    with pytest.raises(QuarantineError, match=r"quarantine\.json: "):
        read_index(tmp_path)


def test_a_cursor_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "uplink.json"
    for content in (b"", b"\0" * 8192):
        path.write_bytes(content)
        assert read_cursor(path) is None
        write_cursor(path, JournalPosition("j", 5))
        assert read_cursor(path) == JournalPosition("j", 5)


def test_a_key_to_trust_is_no_permanent_error(
    outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path
) -> None:
    """It may be in the middle of being replaced: 1, with which systemd tries again."""
    (tmp_path / "plant.pub").write_bytes(b"")
    result = outfeed("run", "--config", configure(trust="plant.pub"))
    assert result.status == 1
    assert result.line.endswith("plant.pub: is empty; expected a public key")


def test_the_doctor_names_them(tmp_path: Path) -> None:
    one = context(tmp_path)
    assert disk.emptied(one) is None
    state = one.config.state_dir
    (state / "pictures").mkdir()
    for name in ("drift.json", "uplink.json", "pictures/a.png"):
        (state / name).write_bytes(b"\0" * 100)
    (state / "bundles.json").write_text(json.dumps({}))
    found = disk.emptied(one)
    assert found is not None
    assert found.level is Level.WARN
    assert found.message.endswith("drift.json, uplink.json, pictures/a.png")
