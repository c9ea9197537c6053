"""Large frames in stripes: time per megapixel, memory, and the gain of a second core.

``python -m bench.stripes`` prints one table. Every candidate is a process of its own, with a frame
in memory. They take turns frame by frame, so that a busy machine affects all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import read_bundle
from edge.chain.load import build_inspector
from edge.config.engine import STRIPES_FROM_PX
from edge.engines.registry import EngineChoice
from edge.records import Frame

ZOO = Path(__file__).resolve().parents[1] / "models" / "zoo"
PITCH_PX = 1000  # between two pits


@dataclass(frozen=True, slots=True)
class StripesRow:
    """One row of the table. ways: stripes, or the tiles of smaller frames."""

    network: str
    engine: str
    ways: str
    threads: int


@dataclass(frozen=True, slots=True)
class StripesTimes:
    """The times of a candidate in ms by the clock and of all its threads on a processor; its
    largest memory beside the frame in MB, and the part of it that was not there before the first
    frame. verdict: of the last frame."""

    times_ms: tuple[float, ...]
    processor_ms: tuple[float, ...]
    memory_mb: float
    grown_mb: float
    verdict: str


def main(arguments: list[str] | None = None) -> int:
    """Run all candidates and print the table. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.stripes", description=__doc__)
    parser.add_argument("--height", type=int, default=12_800)
    parser.add_argument("--width", type=int, default=8_192)
    parser.add_argument("--frames", type=int, default=7)
    parser.add_argument("--engines", nargs="+", default=["ort"])
    parser.add_argument("--networks", nargs="+", default=["nano", "lean"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--diagonal", action="store_true", help="with a scratch through the frame")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        _serve(StripesRow(**json.loads(options.one)), options)
        return 0
    rows = [
        StripesRow(network, engine, ways, threads)
        for network, engine in product(options.networks, options.engines)
        for ways, threads in [("tiles", 1), *(("stripes", each) for each in options.threads)]
    ]
    reports = _in_turns(rows, options)
    megapixels = options.height * options.width / 1e6
    cores = len(os.sched_getaffinity(0))
    print(f"{options.frames} frames of {options.width}×{options.height} px on {cores} cores")
    heads: tuple[str, ...] = ("network", "engine", "frame in", "threads", "all frames s")
    heads += ("ms per MP", "processor ms per MP", "memory MB", "grown MB")
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    for row, report in zip(rows, reports, strict=True):
        median = statistics.median(report.times_ms)
        print(
            f"| {row.network} | {row.engine} | {row.ways} | {row.threads} "
            f"| {sum(report.times_ms) / 1e3:.2f} | {median / megapixels:.2f} "
            f"| {statistics.median(report.processor_ms) / megapixels:.2f} "
            f"| {report.memory_mb:.0f} | {report.grown_mb:.0f} |"
        )
    print({report.verdict for report in reports})
    return 0


def _in_turns(rows: list[StripesRow], options: argparse.Namespace) -> list[StripesTimes]:
    command = [sys.executable, "-m", "bench.stripes", f"--frames={options.frames}"]
    command += [f"--height={options.height}", f"--width={options.width}"]
    command += ["--diagonal"] if options.diagonal else []
    children = [
        subprocess.Popen(
            [*command, "--one", json.dumps({name: getattr(row, name) for name in row.__slots__})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for row in rows
    ]
    lines = [""] * len(rows)
    for _ in range(options.frames + 1):  # the first frame makes the engines
        for number, child in enumerate(children):
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write("next\n")
            child.stdin.flush()
            lines[number] = child.stdout.readline()
    for child in children:
        assert child.stdin is not None
        child.stdin.close()
        child.wait()
    found = (json.loads(line) for line in lines)
    return [
        StripesTimes(tuple(one.pop("times_ms")[1:]), tuple(one.pop("processor_ms")[1:]), **one)
        for one in found
    ]


def _serve(row: StripesRow, options: argparse.Namespace) -> None:
    """Inspect one frame for each line of standard input, and print the report so far."""
    pixels = _frame(options.height, options.width, diagonal=options.diagonal)
    bundle = read_bundle(ZOO / f"textures-{row.network}.outfeed")
    choice = EngineChoice(
        row.engine,
        row.threads,
        stripes_from_px=STRIPES_FROM_PX if row.ways == "stripes" else None,
    )
    inspector = build_inspector(bundle, now_ns=time.monotonic_ns, engine=choice)
    before = _status_mb("VmRSS")
    times, processor = list[float](), list[float]()
    for _ in sys.stdin:
        began, used = time.perf_counter(), time.process_time()
        verdict = inspector.inspect(Frame(1, 1, 0, 0, pixels))
        times.append((time.perf_counter() - began) * 1e3)
        processor.append((time.process_time() - used) * 1e3)
        peak = _status_mb("VmHWM")
        report = {
            "times_ms": times,
            "processor_ms": processor,
            "memory_mb": peak - pixels.nbytes / 1e6,
            "grown_mb": peak - before,
            "verdict": f"{verdict.decision.value}: {len(verdict.defects)} defects",
        }
        print(json.dumps(report), flush=True)


def _frame(height: int, width: int, *, diagonal: bool) -> NDArray[np.uint8]:
    """Return an even surface with grain, pits, and a scratch from the first row to the last."""
    grain = np.random.default_rng(0).integers(118, 139, (1024, width), np.uint8)
    pixels = np.empty((height, width), np.uint8)
    for top in range(0, height, len(grain)):
        rows = pixels[top : top + len(grain)]
        rows[...] = cv2.blur(grain, (5, 5))[: len(rows)]
    for y in range(PITCH_PX // 2, height, PITCH_PX):
        for x in range(PITCH_PX // 2, width, PITCH_PX):
            cv2.circle(pixels, (x, y), 6, 20, -1)
    end = width - 1 if diagonal else width // 3 + 200
    cv2.line(pixels, (0 if diagonal else width // 3, 0), (end, height - 1), 10, 5)
    return pixels


def _status_mb(name: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return float(value.split()[0]) * 1024 / 1e6
    raise ValueError(f"/proc/self/status has no {name}")


if __name__ == "__main__":
    sys.exit(main())
