"""``python -m edge.benchmark.candidate``: one engine on one build of a bundle, in a process of its
own.

An engine may be built for another processor (SIGILL), crash in its library, hang, or take all
memory; then this process ends and no other. The request is one JSON object on standard input; the
answers are lines of JSON on the descriptor that it names.
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
    """The measurement to run. bundle, digest: the file, and the content that it must have. seconds
    or, where given, repeat rounds over the golden frames. answers: a descriptor."""

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
    """One line. missing: why the library cannot be used here. refused: why the engine is not to be
    used. share: of the measuring that is done. clean_ms, regions_ms: at the end, a frame each."""

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
    """Measure; whatever is found is an answer, and the exit status 0."""
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
            raise OutfeedError(f"{request.bundle}: was replaced meanwhile")
        yield Answer(package=package, build=choice.build(bundle).name)
        inspector = build_inspector(bundle, now_ns=time.perf_counter_ns, engine=choice)
        prove(bundle, inspector, choice)
        yield from _rounds(inspector, bench_frames(bundle, None), request)
    except OutfeedError as error:
        yield Answer(refused=str(error), is_last=True)
    except MemoryError:
        yield Answer(refused="takes more memory than there is", is_last=True)


def _rounds(inspector: Inspector, frames: Sequence[Pixels], request: Request) -> Iterator[Answer]:
    for _ in range(-(-WARM_UP_FRAMES // len(frames))):
        _turn(inspector, frames, {})
    taken: dict[bool, list[float]] = {True: [], False: []}
    start_ns = time.monotonic_ns()
    for number in count(1):
        _turn(inspector, frames, taken)
        if request.repeat is not None:
            share = number / request.repeat
        else:
            share = (time.monotonic_ns() - start_ns) / (request.seconds * 1e9)
        if share >= 1.0:
            break
        yield Answer(share=share)
    yield Answer(
        share=1.0, clean_ms=tuple(taken[True]), regions_ms=tuple(taken[False]), is_last=True
    )


def _turn(inspector: Inspector, frames: Sequence[Pixels], taken: dict[bool, list[float]]) -> None:
    """All frames once; milliseconds by whether a frame is clean."""
    for number, pixels in enumerate(frames):
        examined = inspector.examine(Frame(number, number, 0, 0, pixels))
        steps = examined.verdict.timings
        assert steps is not None
        if taken:
            taken[examined.found is None].append(steps.total_us / 1e3)


if __name__ == "__main__":
    sys.exit(main())
