"""Measure the processor time of a stored picture: ``python -m bench.pictures``.

The part's thread calls three methods of the image recorder, which are measured together. A copy of
the pixels, which the station does not make, is measured for comparison. All other work is on the
thread of the pictures. The figures are in docs/benchmarks/disk.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from edge.pictures import FrameRing, ImageRecorder, ImageWriter, KeepRules
from edge.pictures.png import encode_picture
from edge.pictures.record import digest_of
from edge.records import Decision, Frame, Verdict

_LEVELS = (1, 3, 6)


def surface(height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Return a picture with stains of all sizes and a sensor noise of 2 grey levels."""
    dice = np.random.default_rng(1)
    pixels = np.full((height, width), 128, np.float32)
    for step in (256, 64, 16, 4):
        coarse = dice.normal(0, 8, (height // step + 2, width // step + 2)).astype(np.float32)
        pixels += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    planes = [pixels + dice.normal(0, 2, pixels.shape) for _ in range(channels)]
    whole = np.stack(planes, axis=2) if channels > 1 else planes[0]
    return np.ascontiguousarray(whole.clip(0, 255), np.uint8)


def median_ms(step: Callable[[], object], rounds: int) -> float:
    """Return the median duration of ``rounds`` runs."""
    durations_ms: list[float] = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        step()
        durations_ms.append((time.perf_counter() - began_s) * 1e3)
    return float(np.median(durations_ms))


class _UnusedWriter(ImageWriter):
    """A writer that is never called, because every part is good."""

    def __init__(self) -> None: ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(prog="python -m bench.pictures", description=__doc__)
    parser.add_argument("--size", default="2048x1536x3", help="width x height x channels")
    given = parser.parse_args(arguments)
    width, height, channels = (int(each) for each in given.size.split("x"))
    cv2.setNumThreads(1)
    pixels = surface(height, width, channels)
    ring = FrameRing(frames=32, max_bytes=1 << 30)
    recorder = ImageRecorder(
        ring=ring, writer=_UnusedWriter(), rules=KeepRules(), max_waiting_bytes=1 << 30
    )
    numbers = iter(range(1, 1 << 30))
    target = np.empty((32, *pixels.shape), np.uint8)
    target[:] = 0  # touches every page of the memory

    def part() -> None:
        number = next(numbers)
        verdict = Verdict(number, Decision.PASS, "clean", (), 1.0, None)
        recorder.record_frame(Frame(number, number, 0, 0, pixels))
        recorder.record_inspection(verdict)
        recorder.record_verdict(verdict)

    def copy() -> None:
        np.copyto(target[next(numbers) % 32], pixels)

    table = Table(title=f"{width}×{height}×{channels}, {pixels.nbytes / 1e6:.1f} MB, one core")
    for heading in ("step", "ms", "MB"):
        table.add_column(heading, justify="left" if heading == "step" else "right")
    table.add_row("a part: recorder on the part's thread", f"{median_ms(part, 2000):.4f}", "")
    table.add_row("a copy into a ring (not made)", f"{median_ms(copy, 100):.2f}", "")
    table.add_row("SHA-256", f"{median_ms(lambda: digest_of(pixels), 10):.1f}", "")
    png_ms = median_ms(lambda: encode_picture(pixels, "{}"), 5)
    table.add_row("PNG, as kept", f"{png_ms:.0f}", f"{len(encode_picture(pixels, '{}')) / 1e6:.2f}")
    for level in _LEVELS:
        options = [cv2.IMWRITE_PNG_COMPRESSION, level]
        png_ms = median_ms(partial(cv2.imencode, ".png", pixels, options), 3)
        size = len(cv2.imencode(".png", pixels, options)[1])
        table.add_row(f"PNG, level {level}", f"{png_ms:.0f}", f"{size / 1e6:.2f}")
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
