"""``python -m edge.benchmark.candidate``: one engine with one build, in a child process.

An engine may be built for another processor (SIGILL), crash in its library, hang, or use all
memory. Then only this process ends. The request is one JSON object on standard input. The answers
are lines of JSON on the file descriptor that the request names.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from edge.benchmark.timing import WARM_UP_FRAMES, Pixels, bench_frames
from edge.bundle import read_bundle
from edge.bundle.manifest import Precision
from edge.chain.inspector import Inspector
from edge.chain.load import build_inspector, prove
from edge.engines.registry import EngineChoice
from edge.errors import OutfeedError
from edge.proof.limits import ProofLimits, limit_memory
from edge.records import Frame


class Request(BaseModel):
    """The measurement to run: ``seconds``, or ``repeat`` passes over the golden frames.

    ``digest`` is the digest that the bundle file must have. ``answers`` is the file descriptor for
    the answers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bundle: Path
    digest: str
    engine: str
    threads: int
    precision: Precision | None
    providers: tuple[str, ...]
    seconds: float
    repeat: int | None
    answers: int


class Answer(BaseModel):
    """One line of the answer.

    missing: the reason why the library is not available. refused: the reason why the engine must
    not be used. share: the part of the measurement that is done, 0 to 1. clean_ms, regions_ms: in
    the last line, the time of each frame in ms.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    missing: str | None = None
    refused: str | None = None
    package: str | None = None
    build: str | None = None
    share: float = 0.0
    clean_ms: tuple[float, ...] = ()
    regions_ms: tuple[float, ...] = ()
    is_last: bool = False


def main() -> int:
    """Run the measurement. Every result is an answer with exit status 0."""
    request = Request.model_validate_json(sys.stdin.buffer.read())
    limit_memory(ProofLimits.of_machine().memory_mb)
    for answer in _measure(request):
        os.write(request.answers, answer.model_dump_json().encode() + b"\n")
    return 0


def _measure(request: Request) -> Iterator[Answer]:
    choice = EngineChoice(request.engine, request.threads, request.precision, request.providers)
    missing = choice.missing()
    if missing is not None:
        yield Answer(missing=missing, is_last=True)
        return
    package = choice.load().package
    yield Answer(package=package)
    try:
        bundle = read_bundle(request.bundle)
        if bundle.digest != request.digest:
            raise OutfeedError(f"{request.bundle}: was replaced during the measurement")
        yield Answer(package=package, build=choice.build(bundle).name)
        inspector = build_inspector(bundle, now_ns=time.perf_counter_ns, engine=choice)
        prove(bundle, inspector, choice)
        yield from _rounds(inspector, bench_frames(bundle, None), request)
    except OutfeedError as error:
        yield Answer(refused=str(error), is_last=True)
    except MemoryError:
        yield Answer(refused="needs more memory than is available", is_last=True)


def _rounds(inspector: Inspector, frames: Sequence[Pixels], request: Request) -> Iterator[Answer]:
    for _ in range(-(-WARM_UP_FRAMES // len(frames))):
        _pass(inspector, frames, {})
    times_ms: dict[bool, list[float]] = {True: [], False: []}
    start_ns = time.monotonic_ns()
    for number in count(1):
        _pass(inspector, frames, times_ms)
        if request.repeat is not None:
            share = number / request.repeat
        else:
            share = (time.monotonic_ns() - start_ns) / (request.seconds * 1e9)
        if share >= 1.0:
            break
        yield Answer(share=share)
    yield Answer(
        share=1.0, clean_ms=tuple(times_ms[True]), regions_ms=tuple(times_ms[False]), is_last=True
    )


def _pass(
    inspector: Inspector, frames: Sequence[Pixels], times_ms: dict[bool, list[float]]
) -> None:
    """Inspect all frames once, and add the times in ms, by whether the frame is clean."""
    for number, pixels in enumerate(frames):
        examined = inspector.examine(Frame(number, number, 0, 0, pixels))
        steps = examined.verdict.timings
        assert steps is not None
        if times_ms:
            times_ms[examined.components is None].append(steps.total_us / 1e3)


if __name__ == "__main__":
    sys.exit(main())
