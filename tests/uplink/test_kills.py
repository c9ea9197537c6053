"""SIGKILL at random moments, many times: nothing is lost, nothing doubled, the order holds."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from edge.config.station import StationConfig
from edge.journal.reader import JournalReader
from edge.journal.store import size_bytes
from tests.support.brokers import Mosquitto, needs_mosquitto, station_config, wait_for
from tests.uplink.central import Central, fill, open_journal

pytestmark = needs_mosquitto
ROOT = Path(__file__).parents[2]
KILLS = 20  # of the uplink alone; the other tests take fewer, for time


def start_uplink(config: StationConfig) -> subprocess.Popen[str]:
    file = config.state_dir / "station.toml"
    file.write_text(
        f"""
        id = "{config.id}"
        bundle = "golden.outfeed"
        state_dir = "."
        camera = {{ kind = "files", path = "." }}
        line = {{ travel_ms = 500.0, budget_ms = 100.0 }}
        uplink = {{ port = {config.uplink.port}, retry_max_s = 0.2, max_inflight = 20 }}
        """,
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "edge.uplink", "--config", str(file)]
    return start(command, config.state_dir / "uplink.log")


def start_writer(config: StationConfig, seed: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.uplink.writer", str(config.state_dir), str(seed)]
    return start(command, config.state_dir / "writer.log")


def start(command: list[str], log: Path) -> subprocess.Popen[str]:
    with log.open("a") as file:
        return subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file, text=True)


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(10)


@contextmanager
def killed_at_last(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    try:
        yield process
    finally:
        kill(process)


def live_for(process: subprocess.Popen[str], seconds: float) -> None:
    """Let it run for a random while; it must not end by itself."""
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(seconds)


def grown(measure: Callable[[], int], before: int) -> bool:
    return measure() > before


def journal_rows(config: StationConfig) -> list[int]:
    with JournalReader(config.paths.journal) as reader:
        return [row.sequence for row in reader.read(None, 1_000_000)]


def finish(config: StationConfig, central: Central) -> None:
    """A last uplink brings the rest; then what arrived is what the journal holds."""
    rows = journal_rows(config)
    births = central.causes.count("connected")
    with killed_at_last(start_uplink(config)) as uplink:
        # The birth: before it, the process may not have its signal handlers yet.
        wait_for(lambda: central.causes.count("connected") > births, "the birth")
        wait_for(lambda: central.has(rows[-1]), "the last row")
        uplink.send_signal(signal.SIGTERM)
        assert uplink.wait(10) == 0
    assert rows == list(range(1, len(rows) + 1))
    assert central.sequences == rows


def test_uplink_killed_twenty_times(tmp_path: Path) -> None:
    dice = random.Random(7)
    with Mosquitto(tmp_path / "broker") as broker:
        config = station_config(tmp_path / "state", port=broker.port)
        central = Central(config)
        with central.listening(), open_journal(config) as journal:
            for turn in range(KILLS):
                fill(journal, 30)
                before = len(central.received)
                with killed_at_last(start_uplink(config)) as uplink:
                    if turn % 4:  # in the middle of its work, else while it starts
                        wait_for(partial(grown, lambda: len(central.received), before), "work")
                    live_for(uplink, dice.uniform(0.0, 0.06))
            finish(config, central)
        assert central.receiver.repeats > 0  # the kills did hit between publishing and saving


def test_writer_killed_many_times(tmp_path: Path) -> None:
    dice = random.Random(8)
    with Mosquitto(tmp_path / "broker") as broker:
        config = station_config(tmp_path / "state", port=broker.port)
        central = Central(config)
        log = config.state_dir / "writer.log"
        log_bytes = partial(size_bytes, log)
        with central.listening(), killed_at_last(start_uplink(config)):
            for seed in range(12):
                before = log_bytes()
                with killed_at_last(start_writer(config, seed)) as writer:
                    if seed % 4:  # in the middle of its work, else while it starts
                        wait_for(partial(grown, log_bytes, before), "work")
                    live_for(writer, dice.uniform(0.0, 0.06))
                whole = log.read_text(encoding="utf-8").rpartition("\n")[0]
                # The journal's own warnings are in the same file.
                if lines := [line for line in whole.splitlines() if line.isdigit()]:
                    promised = int(lines[-1])
                    assert journal_rows(config)[-1] >= promised  # what append returned survived
            rows = journal_rows(config)
            wait_for(lambda: central.has(rows[-1]), "the last row")
        assert central.sequences == rows == list(range(1, len(rows) + 1))


def test_both_killed(tmp_path: Path) -> None:
    dice = random.Random(9)
    with Mosquitto(tmp_path / "broker") as broker:
        config = station_config(tmp_path / "state", port=broker.port)
        central = Central(config)
        with central.listening():
            starts: list[Callable[[], subprocess.Popen[str]]] = [
                lambda: start_writer(config, dice.randrange(1000)),
                lambda: start_uplink(config),
            ]
            alive = [begin() for begin in starts]
            try:
                for _ in range(16):
                    which = dice.randrange(2)
                    live_for(alive[which], dice.uniform(0.0, 0.7))
                    kill(alive[which])
                    alive[which] = starts[which]()
            finally:
                for process in alive:
                    kill(process)
            with open_journal(config) as journal:
                fill(journal, 1)
            finish(config, central)


def test_the_will_appears_when_the_uplink_is_killed(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        config = station_config(tmp_path / "state", port=broker.port)
        central = Central(config)
        with central.listening():
            with killed_at_last(start_uplink(config)):
                wait_for(lambda: central.causes == ["connected"], "the birth")
            wait_for(lambda: central.causes == ["connected", "lost"], "the will")
            with killed_at_last(start_uplink(config)) as uplink:
                wait_for(lambda: central.causes[2:] == ["connected"], "the next birth")
                uplink.send_signal(signal.SIGTERM)
                assert uplink.wait(10) == 0
            wait_for(lambda: central.causes[3:] == ["stopped"], "the farewell")
        states = [status.state for status in central.statuses]
        assert states == ["online", "offline", "online", "offline"]


def test_a_frozen_uplink_does_not_hold_the_writer(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        config = station_config(tmp_path / "state", port=broker.port)
        central = Central(config)
        with (
            central.listening(),
            open_journal(config) as journal,
            killed_at_last(start_uplink(config)) as uplink,
        ):
            fill(journal, 1)
            wait_for(lambda: central.has(10), "the first events")
            os.kill(uplink.pid, signal.SIGSTOP)
            fill(journal, 200)
            os.kill(uplink.pid, signal.SIGCONT)
            wait_for(lambda: central.has(2010), "the last event")
        assert central.sequences == list(range(1, 2011))


@pytest.mark.parametrize(
    ("text", "status", "line"),
    [
        ("", 78, "key 'id' is missing"),
        ("[uplink]\nhosst = 'x'", 78, "hosst"),
    ],
)
def test_a_bad_configuration_is_one_line(tmp_path: Path, text: str, status: int, line: str) -> None:
    file = tmp_path / "station.toml"
    file.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "edge.uplink", "--config", str(file)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == status
    assert done.stderr.count("\n") == 1
    assert line in done.stderr or "missing" in done.stderr
