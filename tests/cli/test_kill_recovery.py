"""A station that is killed: every part that was announced has a verdict in the journal.

The next start reports how the run ended.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.config.station import load_config
from edge.events.event import GapEvent, PartEvent
from edge.events.identity import parse_payload
from edge.events.start import StartEvent
from edge.journal.reader import JournalReader
from edge.station.recent_parts import LastRun, open_register
from tests.cli.conftest import tmpfs
from tests.support.brokers import wait_for

SMALL = "[journal]\nmax_mb = 1\n[pictures]\nenabled = false\n"


def start(config: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "edge", "--quiet", "run", "--config", str(config)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def events(state: Path) -> list[Any]:
    with JournalReader(state / "journal.sqlite") as reader:
        return [parse_payload(row.payload)[1] for row in reader.read(None, 100_000)]


def parts(state: Path) -> list[int]:
    return [event.part_id for event in events(state) if isinstance(event, PartEvent)]


def starts(state: Path) -> list[StartEvent]:
    return [event for event in events(state) if isinstance(event, StartEvent)]


def has_parts(state: Path, more_than: int) -> Callable[[], bool]:
    return lambda: (state / "journal.sqlite").exists() and len(parts(state)) > more_than


def last_run(path: Path) -> LastRun:
    config = load_config(path)
    found = open_register(config.id, config.state_dir).last
    assert found is not None
    return found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 3 MiB, where the station's state goes."""
    yield from tmpfs(tmp_path / "state", mib=3)


def test_every_start_tells_of_the_run_before(
    configure: Callable[..., Path], tmp_path: Path
) -> None:
    path, state = configure(SMALL, loop="true"), tmp_path / "state"
    announced = []
    for turn in range(3):
        process = start(path)
        try:
            wait_for(has_parts(state, len(parts(state)) + 30 if turn else 30), "parts", 30)
        finally:
            kill(process)
        announced.append(last_run(path).announced)
    process = start(path)
    try:
        wait_for(has_parts(state, len(parts(state)) + 30), "parts", 30)
        stop(process)
        process = start(path)
        wait_for(lambda: len(starts(state)) == 5, "the last start", 30)
    finally:
        kill(process)
    told = starts(state)
    assert [event.last_end for event in told] == ["first", *["killed"] * 3, "stopped"]
    assert [event.last_part for event in told[1:4]] == announced
    numbers = parts(state)
    # Every part has one verdict, the last ones by the start after: none is missing, none twice.
    assert sorted(n for n in numbers if n <= announced[-1]) == sorted(
        n
        for event, last in zip(told, announced, strict=False)
        for n in range(event.first_part, last + 1)
    )
    assert len(set(numbers)) == len(numbers)
    assert all(
        a.first_part <= b < c.first_part for a, b, c in zip(told, announced, told[1:], strict=False)
    )
    assert not any(event.unaccounted or event.refused for event in told)
    assert all(0 < (event.unwatched_s or 0) < 30 for event in told[1:])


def test_a_full_disk_and_a_kill_lose_no_verdict(
    configure: Callable[..., Path], small_disk: Path
) -> None:
    path, ballast = configure(SMALL, loop="true"), small_disk / "ballast"
    process = start(path)
    try:
        wait_for(has_parts(small_disk, 20), "parts", 30)
        with pytest.raises(OSError, match="No space"):
            ballast.write_bytes(b"x" * (3 << 20))
        before = len(parts(small_disk))
        due_s = time.monotonic() + 3.0
        wait_for(lambda: time.monotonic() > due_s, "three seconds without a disk")
    finally:
        kill(process)
    register = last_run(path)
    unjournalled = register.announced - len(parts(small_disk))
    assert unjournalled > 100  # of 100 parts a second
    assert register.refused
    # A kill in the next run, before its start event, hides nothing.
    process = start(path)
    try:
        wait_for(lambda: last_run(path).announced > register.announced + 20, "more parts", 30)
    finally:
        kill(process)
    ballast.unlink()
    process = start(path)
    try:
        wait_for(lambda: len(starts(small_disk)) > 1, "the start", 30)
        wait_for(has_parts(small_disk, register.announced), "the rest", 30)
        stop(process)
    finally:
        kill(process)
    told = starts(small_disk)[-1]
    assert (told.last_end, told.refused) == ("killed", True)
    assert told.recovered >= unjournalled
    numbers = parts(small_disk)
    assert len(numbers) > before + unjournalled
    assert len(set(numbers)) == len(numbers), "a part has two verdicts"
    assert set(range(1, register.announced + 1)) <= set(numbers)
    assert told.last_part is not None
    missing = set(range(1, told.last_part + 1)) - set(numbers)
    assert not missing
    assert not [event for event in events(small_disk) if isinstance(event, GapEvent)]


def test_a_station_that_stops_in_order_leaves_no_memory_behind(
    configure: Callable[..., Path], tmp_path: Path
) -> None:
    path, state = configure(SMALL), tmp_path / "state"
    for turn in range(2):
        assert start(path).wait(60) == 0
        assert not list(Path("/dev/shm").glob(_name(path)))
        assert len(parts(state)) == 12 * (turn + 1)
    assert [event.last_end for event in starts(state)] == ["first", "stopped"]
    assert starts(state)[1].unaccounted == ()


def _name(path: Path) -> str:
    config = load_config(path)
    register = open_register(config.id, config.state_dir)
    assert register.path is not None
    register.path.unlink()
    return register.path.name
