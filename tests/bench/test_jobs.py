"""Jobs of the benchmarks: what is left in time, and Ctrl+C."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

pytest.importorskip("torch")

from bench import jobs
from bench.jobs import Job, work

# The job writes a file when it begins, and another one for each SIGINT; it ends after the first.
CHILD = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
def note(number, frame):
    with (folder / "signals").open("a") as file:
        file.write("x")
    sys.exit(130)
signal.signal(signal.SIGINT, note)
(folder / "began").touch()
time.sleep(60)
"""


def _jobs(folder: Path, count: int) -> list[Job]:
    return [Job(folder / str(number), Path("r"), Path("d")) for number in range(count)]


def test_a_finished_job_states_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "commands", lambda job: [("train", [sys.executable, "-c", "1"])])
    core = sorted(os.sched_getaffinity(0))[0]
    printed = io.StringIO()
    assert work(_jobs(tmp_path, 3), [core], Console(file=printed, width=200)) == 0
    lines = printed.getvalue().splitlines()
    assert [line.partition("; ")[2] for line in lines] == [
        "1 of 3, about 0 min left",
        "2 of 3, about 0 min left",
        "",
    ]


def test_ctrl_c_interrupts_what_runs_once_and_begins_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commands(job: Job) -> Iterator[tuple[str, list[str]]]:
        yield "train", [sys.executable, "-c", CHILD, str(job.folder)]
        yield "export", [sys.executable, "-c", CHILD, str(job.folder / "never")]

    monkeypatch.setattr(jobs, "commands", commands)
    core = sorted(os.sched_getaffinity(0))[0]

    def interrupt() -> None:
        limit_s = time.monotonic() + 60
        while not (tmp_path / "0" / "began").exists() and time.monotonic() < limit_s:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    other = threading.Thread(target=interrupt)
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            work(_jobs(tmp_path, 2), [core], Console(file=io.StringIO()))
    finally:
        other.join()
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "0" / "signals").read_text() == "x"
    assert not (tmp_path / "1").exists()
    assert not (tmp_path / "0" / "train.seconds").exists()
