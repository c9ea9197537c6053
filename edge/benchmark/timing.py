"""The time of each step of the chain per frame, and of a cold start."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from edge.bundle import Bundle
from edge.bundle.manifest import Precision
from edge.chain.inspector import Inspector
from edge.child_processes import FOLDER, command_of, environment_of
from edge.data_folder import list_images
from edge.engines.registry import EngineChoice
from edge.errors import OutfeedError, UsageError
from edge.images import decode_image, read_image
from edge.line.latency import Percentiles
from edge.records import Frame

WARM_UP_FRAMES = 20
STEPS = ("detect", "filter", "components", "classify", "decide", "total")
_MAX_SIDE_PX = 8192

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class LatencySample:
    """The time of each step for frames of one size and one sort, in microseconds per frame."""

    size: str
    """``WIDTHxHEIGHT`` in pixels."""

    sort: str
    """``clean`` (no cell at or above the threshold) or ``with regions``."""

    steps: dict[str, Percentiles]


@dataclass(frozen=True, slots=True)
class ColdStart:
    """The time from the start of a process to its first verdict, and its resident memory then."""

    first_verdict_ms: float
    rss_kib: int
    peak_rss_kib: int


@dataclass(frozen=True, slots=True)
class MeasurementPlan:
    """The extent of a benchmark."""

    sizes: tuple[tuple[int, int], ...]
    """Height and width of the frames in pixels; empty: the frames as they are."""

    seconds: float
    repeat: int | None
    """The number of passes over the frames, instead of ``seconds``."""

    progress: bool
    """Show a progress bar where standard error is a terminal."""


@dataclass(frozen=True, slots=True)
class BenchmarkReport:
    """All figures of a benchmark."""

    bundle: str
    bundle_bytes: int
    engine: str
    build: str
    threads: int
    samples: tuple[LatencySample, ...]
    cold_start: ColdStart


def parse_size(text: str) -> tuple[int, int]:
    """Return height and width of a text ``WIDTHxHEIGHT``. Raises UsageError."""
    match = re.fullmatch(r"(\d{1,4})[x×](\d{1,4})", text)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (16 <= width <= _MAX_SIDE_PX and 16 <= height <= _MAX_SIDE_PX):
        raise UsageError(f"--size {text}: expected WIDTHxHEIGHT, 16 to {_MAX_SIDE_PX} px")
    return height, width


def bench_frames(bundle: Bundle, path: Path | None) -> list[Pixels]:
    """Return the pictures at the path, or without a path the golden frames. Raises FrameError."""
    if path is not None:
        return [read_image(file) for file in list_images(path)]
    return [
        decode_image(bundle.files[golden.file], name=golden.file)
        for golden in bundle.manifest.golden
    ]


def fit(pixels: Pixels, height: int, width: int) -> Pixels:
    """Return the pixels with this size: cropped or reflected at the right and bottom edges."""
    cut = pixels[:height, :width]
    padding = [(0, height - cut.shape[0]), (0, width - cut.shape[1])]
    padding += [(0, 0)] * (pixels.ndim - 2)
    return np.ascontiguousarray(np.pad(cut, padding, mode="reflect"))


def measure_all(
    path: Path,
    bundle: Bundle,
    inspector: Inspector,
    frames: Sequence[Pixels],
    plan: MeasurementPlan,
    engine: EngineChoice,
) -> BenchmarkReport:
    """Measure the cold start, and then each size. Blocks for about ``plan.seconds`` per size.

    Raises OutfeedError where the child process of the cold start fails.
    """
    build = engine.build(bundle)
    cold = cold_start(path, engine.name, build.precision, engine.threads)
    groups = [[fit(frame, *size) for frame in frames] for size in plan.sizes] or [list(frames)]
    console = Console(stderr=True)
    samples: list[LatencySample] = []
    for group in track(
        groups,
        "measuring",
        console=console,
        transient=True,
        disable=not (plan.progress and console.is_terminal),
    ):
        samples += measure(inspector, group, seconds=plan.seconds, repeat=plan.repeat)
    return BenchmarkReport(
        bundle.id,
        bundle.size_bytes,
        engine.name,
        build.name,
        engine.threads,
        tuple(samples),
        cold,
    )


def measure(
    inspector: Inspector, frames: Sequence[Pixels], *, seconds: float, repeat: int | None
) -> list[LatencySample]:
    """Inspect the frames in turn for ``seconds``, or for ``repeat`` passes, after a warm-up."""
    for number in range(WARM_UP_FRAMES):
        inspector.inspect(_frame(number, frames))
    rows: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for number in _numbers(len(frames), seconds, repeat):
        frame = _frame(number, frames)
        examined = inspector.examine(frame)
        steps = examined.verdict.timings
        assert steps is not None
        height, width = frame.pixels.shape[:2]
        sort = "clean" if examined.components is None else "with regions"
        rows.setdefault((f"{width}x{height}", sort), []).append(
            (
                steps.detect_us,
                steps.filter_us,
                steps.components_us,
                steps.classify_us,
                steps.decide_us,
                steps.total_us,
            )
        )
    return [_sample(size, sort, np.array(one)) for (size, sort), one in sorted(rows.items())]


def cold_start(path: Path, engine: str, precision: Precision, threads: int) -> ColdStart:
    """Start a process that reads the bundle, proves it and inspects one frame.

    Blocks for at most 120 s. Raises OutfeedError where the process fails.
    """
    command = command_of("edge.benchmark.first_verdict", str(path.absolute()), engine)
    command += [precision, str(threads)]
    began_ns = time.monotonic_ns()
    child = subprocess.run(
        command,
        cwd=FOLDER,
        env=environment_of(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if child.returncode:
        last = (child.stderr.strip() or "no reason given").splitlines()[-1]
        raise OutfeedError(f"cold start: the child failed: {last}")
    answer = json.loads(child.stdout)
    return ColdStart((answer["at_ns"] - began_ns) / 1e6, answer["VmRSS"], answer["VmHWM"])


def _numbers(frames: int, seconds: float, repeat: int | None) -> Iterator[int]:
    if repeat is not None:
        yield from range(frames * repeat)
        return
    until_ns = time.monotonic_ns() + round(seconds * 1e9)
    for number in count():
        # At least one pass, so that each frame is measured.
        if number >= frames and time.monotonic_ns() > until_ns:
            return
        yield number


def _frame(number: int, frames: Sequence[Pixels]) -> Frame:
    return Frame(number, number, 0, 0, frames[number % len(frames)])


def _sample(size: str, sort: str, rows: NDArray[np.float64]) -> LatencySample:
    shares = np.percentile(rows, [50, 99, 99.9, 100], axis=0, method="higher")
    steps = {
        step: Percentiles(len(rows), *(float(value) for value in shares[:, i]))
        for i, step in enumerate(STEPS)
    }
    return LatencySample(size, sort, steps)
