"""Execution of runs: train, export and inspect, with one run at a time on each core.

Finished steps are not repeated, so the same jobs continue after a kill.
"""

from __future__ import annotations

import math
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from edge.files import write_atomically
from models.runs.run import Run


@dataclass(frozen=True, slots=True)
class Job:
    """A run: its folder, recipe file and data. export: additional arguments of its command.

    inspect: also inspect the validation pictures of the run.
    """

    folder: Path
    recipe: Path
    data: Path
    export: tuple[str, ...] = ()
    inspect: bool = True

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
                *("--recipe", str(job.recipe), "--out", str(job.folder)),
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

    Prints the error of each failed job. Its output is in job.log of the run's folder. Blocks for
    hours.
    """
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    failed: list[Job] = []

    def serve(core: int) -> None:
        os.sched_setaffinity(0, {core})  # of this thread, and of the processes that it starts
        while True:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            started = time.perf_counter()
            error = _do(job)
            minutes = (time.perf_counter() - started) / 60
            result = error or f"done in {minutes:.1f} min"
            console.print(f"{job.folder.name}: {result}", highlight=False, soft_wrap=True)
            if error:
                failed.append(job)

    workers = [threading.Thread(target=serve, args=(core,)) for core in cores]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return len(failed)


def _do(job: Job) -> str:
    """Execute a job and return the error, or an empty string."""
    job.folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (job.folder / "job.log").open("ab") as log:
        for step, command in commands(job):
            started = time.perf_counter()
            done = subprocess.run(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=False
            )
            if done.returncode:
                return f"failed with {done.returncode}, see {log.name}: {' '.join(command)}"
            write_atomically(
                job.folder / f"{step}.seconds", f"{time.perf_counter() - started:.1f}\n"
            )
    return ""


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
