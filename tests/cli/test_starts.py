"""A station that is started on a state folder that refuses, in each way in which a disk does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.events.event import PartEvent
from edge.events.identity import parse_payload
from edge.journal.reader import JournalReader
from tests.cli.conftest import Outfeed
from tests.support.bundles import small_bundle
from tests.support.station_runs import wait_for

SMALL = "[journal]\nmax_mb = 1\n[pictures]\nmin_free_mb = 1\nring_mb = 8\n"


@pytest.fixture(autouse=True)
def _ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A station in this process waits 5 s at its end for a journal that refuses."""
    monkeypatch.setattr("edge.station.station._STOP_S", 1.0)


def parts(state: Path) -> list[PartEvent]:
    with JournalReader(state / "journal.sqlite") as reader:
        events = [parse_payload(stored.payload)[1] for stored in reader.read(None, 100_000)]
    return [event for event in events if isinstance(event, PartEvent)]


def inspected(log: Path) -> int:
    """The number of parts that a station states at its end."""
    row = re.search(r"parts +[^ ]+ (\d+) in ", log.read_text())
    assert row is not None
    return int(row[1])


def mounted(*command: str) -> None:
    if subprocess.run(["mount", *command], capture_output=True, check=False).returncode:
        pytest.skip("only root may mount, and not everywhere")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 3 MiB for the station's state."""
    folder = tmp_path / "state"
    folder.mkdir()
    mounted("-t", "tmpfs", "-o", "size=3m,nr_inodes=64", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Not a byte is left."""
    file = folder / "filler"
    done = subprocess.run(
        ["dd", "if=/dev/zero", f"of={file}", "bs=4k"], capture_output=True, check=False
    )
    assert b"No space left" in done.stderr
    return file


def no_inode(folder: Path) -> None:
    names = [str(folder / f"i{number}") for number in range(100)]
    done = subprocess.run(["touch", *names], capture_output=True, check=False)
    assert b"No space left" in done.stderr


def read_only(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


@pytest.mark.parametrize("refuse", [fill, no_inode, read_only])
def test_a_first_start_inspects_on_a_disk_that_takes_nothing(
    refuse: Callable[[Path], object], state: Path, outfeed: Outfeed, configure: Callable[..., Path]
) -> None:
    path = configure(SMALL)
    refuse(state)
    result = outfeed("run", "--config", path)
    assert result.status == 0
    assert "12 in " in result.out
    assert "4, 0 missed" in result.out  # every third part is rejected
    log = result.err
    assert log.count(" accepted_version_refused reason=key 'state_dir': ") == 1
    assert log.count(" journal_open_refused reason=") == 1
    assert " events_lost count=" in log


def test_a_second_start_is_no_different(
    state: Path, outfeed: Outfeed, configure: Callable[..., Path]
) -> None:
    """The content of the disk is read. Protection against older bundles is a read and stays."""
    path = configure(SMALL)
    assert outfeed("run", "--config", path).status == 0
    fill(state)
    assert outfeed("run", "--config", path).status == 0
    small_bundle(path.parent / "small.outfeed", version="0.9")
    result = outfeed("run", "--config", path)
    assert result.status == 1
    assert "is version 0.9 of dark-spots, and 1.0 has been accepted here" in result.err


@pytest.mark.parametrize("what", ["a file", "below a file", "nothing"])
def test_a_state_folder_that_is_none(
    what: str, outfeed: Outfeed, configure: Callable[..., Path], tmp_path: Path
) -> None:
    path = configure(SMALL)
    if what == "a file":
        (tmp_path / "state").write_text("")
    elif what == "below a file":
        (tmp_path / "card").write_text("")
        path.write_text(path.read_text().replace('"state"', '"card/state"'))
    result = outfeed("run", "--config", path)
    assert result.status == 0
    assert "12 in " in result.out
    assert ("journal_open_refused" in result.err) is (what != "nothing")


def test_when_the_disk_has_room_again_everything_is_written(
    state: Path, configure: Callable[..., Path], tmp_path: Path, outfeed: Outfeed
) -> None:
    path, log = configure(SMALL, loop="true"), tmp_path / "log"
    path.write_text(path.read_text().replace("rate_hz = 100.0", "rate_hz = 20.0"))
    filler = fill(state)
    with log.open("wb") as out:
        command = [sys.executable, "-m", "edge", "run", "--config", str(path)]
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        wait_for(lambda: "journal_refuses" in log.read_text(), "the journal's complaint")
        filler.unlink()
        wait_for(lambda: "accepted_version_done" in log.read_text(), "the version kept")
        wait_for(lambda: "journal_takes_events_again" in log.read_text(), "events written")
        process.terminate()
        assert process.wait(40) == 0
    finally:
        process.kill()
        process.wait()
    found = [part.part_id for part in parts(state)]
    assert found == list(range(found[0], found[0] + len(found)))
    assert len(found) == inspected(log)
    assert found[0] > 1_700_000_000_000  # no part of an earlier journal can have it
    assert "events_lost" not in log.read_text()
    assert (state / "bundles.json").exists()


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Path]:
    """An ext4 on a loop device, where the station's state goes."""
    folder = tmp_path / "state"
    folder.mkdir()
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    if subprocess.run(["mkfs.ext4", "-q", str(image)], capture_output=True, check=False).returncode:
        pytest.skip("no mkfs.ext4")
    mounted("-o", "loop", str(image), str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_hangs_at_the_start(
    card: Path, configure: Callable[..., Path], tmp_path: Path
) -> None:
    """Frozen, so whoever writes waits: the line begins without it, and the events are written when
    the disk answers."""
    path, log = configure(SMALL, loop="true"), tmp_path / "log"
    path.write_text(path.read_text().replace("rate_hz = 100.0", "rate_hz = 20.0"))
    freeze = subprocess.run(["fsfreeze", "-f", str(card)], capture_output=True, check=False)
    if freeze.returncode:
        pytest.skip("no fsfreeze")
    frozen = True
    process = None
    try:
        with log.open("wb") as out:
            command = [sys.executable, "-m", "edge", "run", "--config", str(path)]
            process = subprocess.Popen(command, stdout=out, stderr=out)
        wait_for(lambda: "journal_refuses" in log.read_text(), "the journal's complaint")
        assert process.poll() is None
        subprocess.run(["fsfreeze", "-u", str(card)], check=True)
        frozen = False
        wait_for(lambda: "journal_takes_events_again" in log.read_text(), "events written")
        process.terminate()
        assert process.wait(40) == 0
    finally:
        if frozen:
            subprocess.run(["fsfreeze", "-u", str(card)], check=True)
        if process is not None:
            process.kill()
            process.wait()
    assert len(parts(card)) == inspected(log)


def test_a_folder_that_may_not_be_written(configure: Callable[..., Path], tmp_path: Path) -> None:
    """As another user than root, whom no permission stops."""
    path = configure(SMALL)
    (tmp_path / "state").mkdir(mode=0o555)
    command = [sys.executable, "-m", "edge", "run", "--config", str(path)]
    if os.geteuid() == 0:
        command = [
            "setpriv",
            "--bounding-set=-all",
            "--inh-caps=-all",
            "--securebits=+noroot",
            *command,
        ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "12 in " in done.stdout
    assert "Permission denied" in done.stderr
