"""Measurements of a finished run's bundle: score, time, and verdicts on changed pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.jobs import Job, seconds
from bench.methods.changes import CHANGES, OCCLUSION, occlude
from bench.methods.figures import MethodFigures, figures
from bench.timing import Spread, Turns, interleave
from edge.bundle import read_bundle
from edge.chain.inspector import Inspector
from edge.chain.load import build_inspector
from edge.images import read_image
from edge.records import Decision, Frame
from models.data.dataset import Pixels
from models.evaluation.score import score
from models.report.exported import read_export
from models.runs.run import Run

TIMED_FRAMES = 6
ROBUST_PARTS = 60  # good and defective parts in their order, evenly spread


def open_inspector(job: Job) -> Inspector:
    """Open the chain of a job's bundle. Raises BundleError."""
    return build_inspector(read_bundle(job.bundle), now_ns=time.perf_counter_ns)


def score_job(job: Job, data: str, method: str) -> MethodFigures:
    """Return the figures from the results of `outfeed inspect`. Raises DataError."""
    dataset, _ = Run(job.folder).open_data()
    outcomes = score(dataset, job.results, job.masks)
    size = job.bundle.stat().st_size / 1e3
    metrics = figures(data, method, outcomes, seconds(job, "train"), size)
    export = read_export(job.folder)
    return metrics.model_copy(update={"run_limit": export and export.max_false_rejects})


def time_jobs(jobs: Sequence[Job], turns: Turns) -> list[float]:
    """Return the median ms of the whole chain on validation frames, for each job.

    The jobs take turns. Bind the process to a core first.
    """
    calls: dict[int, Callable[[], object]] = {}
    for number, job in enumerate(jobs):
        inspector = open_inspector(job)
        names = Run(job.folder).validation_list.read_text(encoding="utf-8").splitlines()
        frames = [read_image(Path(name)) for name in names[:: max(len(names) // TIMED_FRAMES, 1)]]
        calls[number] = _round(inspector, frames[:TIMED_FRAMES])
    times = interleave(calls, turns)
    return [Spread.of(times[n]).median_ms / TIMED_FRAMES for n in range(len(jobs))]


def _round(inspector: Inspector, frames: Sequence[Pixels]) -> Callable[[], object]:
    def run() -> None:
        for number in range(TIMED_FRAMES):
            inspector.inspect(Frame(number, number, 0, 0, frames[number % len(frames)]))

    return run


def measure_robustness(job: Job) -> dict[str, float]:
    """Return for each change the share of parts whose verdict stays the same.

    The value of OCCLUSION is the share of good parts that are rejected. Blocks for all pictures.
    Raises DataError.
    """
    inspector = open_inspector(job)
    dataset, by_name = Run(job.folder).open_data()
    record = Run(job.folder).record()
    samples = [by_name[name] for name in record.validation]
    samples = samples[:: max(-(-len(samples) // ROBUST_PARTS), 1)]
    pictures = [(sample, dataset.load_image(sample)) for sample in samples]
    before = [_decide(inspector, pixels) for _, pixels in pictures]
    shares = {
        name: _share(
            [
                _decide(inspector, change(pixels)) is decision
                for (_, pixels), decision in zip(pictures, before, strict=True)
            ]
        )
        for name, change in CHANGES.items()
    }
    covered = [
        _decide(inspector, occlude(pixels)) is Decision.REJECT
        for sample, pixels in pictures
        if sample.is_good
    ]
    return shares | ({OCCLUSION: _share(covered)} if covered else {})


def _decide(inspector: Inspector, pixels: Pixels) -> Decision:
    return inspector.inspect(Frame(0, 0, 0, 0, pixels)).decision


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values)
