"""The whole station is killed repeatedly, while a real broker stops and starts again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.config.station import load_config
from edge.events.event import PartEvent
from edge.events.identity import parse_payload
from edge.journal.reader import JournalReader
from tests.support.brokers import Mosquitto, needs_mosquitto, wait_for
from tests.uplink.central import Central

KILLS = 8


def start(config: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "edge", "--quiet", "run", "--config", str(config)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def journalled(folder: Path) -> list[Any]:
    with JournalReader(folder / "state/journal.sqlite") as reader:
        return reader.read(None, 100_000)


def children(pid: int) -> set[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return {int(child) for child in text.split()}


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


@needs_mosquitto
def test_nothing_is_lost_or_doubled(
    configure: Callable[..., Path],
    tmp_path: Path,
) -> None:
    dice = random.Random(11)
    # With persistence: else the broker forgets what it confirmed and had not handed on yet.
    with Mosquitto(tmp_path / "broker", persistence=True) as broker:
        path = configure(loop="true", uplink="true", port=broker.port)
        central = Central(load_config(path))
        with central.listening():
            for turn in range(KILLS):
                process = start(path)
                try:
                    before = len(journalled(tmp_path)) if turn else 0
                    wait_for(
                        lambda before=before: (
                            (tmp_path / "state/journal.sqlite").exists()
                            and len(journalled(tmp_path)) > before + 10
                        ),
                        "ten events more",
                        30,
                    )
                    if turn == KILLS // 2:
                        broker.stop()
                    due_s = time.monotonic() + dice.uniform(0.0, 0.3)
                    wait_for(lambda due_s=due_s: time.monotonic() > due_s, "the moment")
                    family = children(process.pid)
                finally:
                    os.kill(process.pid, signal.SIGKILL)
                    process.wait()
                # Rejector and uplink do not outlive the station.
                wait_for(lambda family=family: all(gone(pid) for pid in family), "its children")
                if turn == KILLS // 2:
                    wait_for(lambda: not central.subscriber.wait_subscribed(0), "central sees it")
                    broker.start()
                    # A broker hands an event to those who have subscribed, and central has not.
                    assert central.subscriber.wait_subscribed(10)
            process = start(path)
            rows = journalled(tmp_path)
            wait_for(lambda: len(journalled(tmp_path)) > len(rows) + 10, "the last run", 30)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            rows = journalled(tmp_path)
            # What the last run journalled after its uplink had left goes out with the next one.
            if not central.has(rows[-1].sequence):
                process = start(path)
                wait_for(lambda: central.has(rows[-1].sequence), "the last row", 30)
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0
            rows = journalled(tmp_path)
        sequences = [row.sequence for row in rows]
        received = central.sequences
        assert sequences == list(range(1, len(sequences) + 1))
        assert received == sequences[: len(received)]
        assert len(received) > KILLS * 10
        parts = [parse_payload(row.payload)[1] for row in rows]
        ids = [part.part_id for part in parts if isinstance(part, PartEvent)]
        assert len(set(ids)) == len(ids), "no part's number is given twice, over all runs"
