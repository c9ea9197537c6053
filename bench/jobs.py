"""Execution of runs: train, export and inspect, with one run at a time on each core.

Finished steps are not repeated, so the same jobs continue after a kill.
"""

from __future__ import annotations

import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rich.console import Console

from edge.files import write_atomically
from models.runs.run import Run

STOPPED = 130  # exit status of a command that SIGINT ended


@dataclass(frozen=True, slots=True)
class Job:
    """A run: its folder, recipe file and data. export: additional arguments of its command.

    inspect: also inspect the validation pictures of the run. device: on which networks learn.
    """

    folder: Path
    recipe: Path
    data: Path
    export: tuple[str, ...] = ()
    inspect: bool = True
    device: str = "auto"

    @property
    def bundle(self) -> Path:
        return self.folder / f"{self.folder.name}.outfeed"

    @property
    def results(self) -> Path:
        return self.folder / "results.jsonl"

    @property
    def masks(self) -> Path:
        return self.folder / "masks"


def commands(job: Job) -> Iterator[tuple[str, list[str]]]:
    """Yield the remaining steps of a run, in order, each with its command."""
    run, bundle = Run(job.folder), job.bundle
    python = [sys.executable, "-W", "ignore", "-m"]
    if not run.result_path.exists():
        yield (
            "train",
            [
                *(*python, "models.training.__main__", "--threads", "1", "--data", str(job.data)),
                *("--recipe", str(job.recipe), "--out", str(job.folder), "--device", job.device),
            ],
        )
    if not bundle.exists():
        # The tables also have the float chain, so wide limits hide nothing.
        limits = ("--severity-error", "12", "--mask-iou", "0", "--verdict-agreement", "0")
        yield (
            "export",
            [
                *(*python, "export", "--run", str(job.folder), "--out", str(bundle)),
                *(*limits, "--regions", "0", "--kinds", "0", "--missed", "1", "--formats", "onnx"),
                *job.export,
            ],
        )
    if job.inspect and not job.results.exists():
        yield (
            "inspect",
            [
                *(*python, "edge", "inspect", "--bundle", str(bundle), "--no-timings"),
                *("--list", str(run.validation_list), "--out", str(job.results)),
                *("--masks", str(job.masks)),
            ],
        )


def work(jobs: Sequence[Job], cores: Sequence[int], console: Console) -> int:
    """Execute the jobs, one at a time on each core, and return the number of failed jobs.

    Prints the error of each failed job, and the time that is left. The output of a job is in
    job.log of the run's folder. Blocks for hours. On KeyboardInterrupt every running command gets
    one SIGINT, saves its state and ends; no further job begins, and the exception goes on.
    """
    under_way = _Work(jobs, len(cores), console)
    workers = [threading.Thread(target=under_way.serve, args=(core,)) for core in cores]
    for worker in workers:
        worker.start()
    try:
        under_way.wait()
    except KeyboardInterrupt:
        under_way.stop()
        under_way.wait()
        raise
    return under_way.failed


class _Work:
    """The jobs that wait, and the commands that run.

    Synchronization: ``serve`` runs on one thread for each core, ``stop`` on another.
    """

    def __init__(self, jobs: Sequence[Job], cores: int, console: Console) -> None:
        self._waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            self._waiting.put(job)
        self._total, self._cores, self._console = len(jobs), cores, console
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_over = False
        self._ended, self._wake = 0, queue.SimpleQueue[None]()
        self._taken_s: list[float] = []
        self.failed = 0

    def serve(self, core: int) -> None:
        """Execute jobs on a core until none waits."""
        try:
            self._serve(core)
        finally:
            with self._lock:
                self._ended += 1
            self._wake.put(None)

    def wait(self) -> None:
        """Block until every thread has ended. It may be interrupted and called again.

        After an interrupted ``Thread.join`` Python 3.11 takes a running thread for one that ended.
        """
        while self._ended < self._cores:
            self._wake.get()

    def _serve(self, core: int) -> None:
        os.sched_setaffinity(0, {core})  # of this thread, and of the processes that it starts
        while not self._is_over:
            try:
                job = self._waiting.get_nowait()
            except queue.Empty:
                return
            started = time.perf_counter()
            error = self._do(job)
            if self._is_over:
                return
            with self._lock:
                self._taken_s.append(time.perf_counter() - started)
                self.failed += bool(error)
                result = error or f"done in {self._taken_s[-1] / 60:.1f} min"
                line = f"{job.folder.name}: {result}{self._left()}"
            self._console.print(line, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Interrupt what runs, and begin nothing more."""
        with self._lock:
            self._is_over = True
            for process in self._running:
                process.send_signal(signal.SIGINT)

    def _left(self) -> str:
        """Return words on the jobs that are left, by the mean time of those that are done."""
        done, left = len(self._taken_s), self._total - len(self._taken_s)
        if not left:
            return ""
        minutes = sum(self._taken_s) / done * left / min(self._cores, self._total) / 60
        return f"; {done} of {self._total}, about {minutes:.0f} min left"

    def _do(self, job: Job) -> str:
        """Execute a job and return the error, or an empty string."""
        job.folder.mkdir(parents=True, exist_ok=True)
        with (job.folder / "job.log").open("ab") as log:
            for step, command in commands(job):
                started = time.perf_counter()
                status = self._call(command, log)
                if status:
                    return f"failed with {status}, see {log.name}: {' '.join(command)}"
                write_atomically(
                    job.folder / f"{step}.seconds", f"{time.perf_counter() - started:.1f}\n"
                )
        return ""

    def _call(self, command: list[str], log: BinaryIO) -> int:
        """Return the exit status of a command. It does not receive the signals of a terminal."""
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with self._lock:
            if self._is_over:
                return STOPPED
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
            self._running.add(process)
        status = process.wait()
        with self._lock:
            self._running.discard(process)
        return status


def seconds(job: Job, step: str) -> float:
    """Return the duration of a step, with the start of its process; nan where it is not known.

    For a killed and repeated run it is the duration of the last attempt.
    """
    try:
        return float((job.folder / f"{step}.seconds").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return math.nan


def last_error(job: Job) -> str:
    """Return the last line of the log of a failed run."""
    try:
        lines = (job.folder / "job.log").read_text(encoding="utf-8").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "its log is empty"
