"""Times every engine on every build of a bundle, on this machine, and chooses the fastest."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from edge.bundle import Bundle
from edge.chain.inspector import Inspector
from edge.chain.load import load_inspector, prove
from edge.cli.admission import admit
from edge.cli.benchmark import WARM_UP_FRAMES, Pixels, bench_frames
from edge.cli.benchmark_report import selection_lines, selection_table
from edge.cli.loading import open_bundle, parse_precision
from edge.cli.privileges import open_config
from edge.complaints import printable
from edge.config import EngineConfig
from edge.engines.registry import ENGINES, EngineChoice
from edge.engines.selection import Measured, Selection, Times, processor, write_selection
from edge.errors import BundleError, UsageError
from edge.records import Frame
from edge.terminals import plain_json

# Two candidates this near are equally fast; then the one that leaves more cores to others.
EQUAL = 0.05


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A chain that has proven itself, and the milliseconds of its frames."""

    told: Measured
    inspector: Inspector
    clean_ms: list[float] = field(default_factory=list)
    regions_ms: list[float] = field(default_factory=list)

    def turn(self, frames: Sequence[Pixels], *, counted: bool) -> None:
        """All frames once. The first one runs before: it finds what a neighbour left in the
        caches, and a neighbour's threads still awake."""
        self.inspector.inspect(Frame(0, 0, 0, 0, frames[0]))
        for number, pixels in enumerate(frames):
            examined = self.inspector.examine(Frame(number, number, 0, 0, pixels))
            steps = examined.verdict.timings
            assert steps is not None
            if counted:
                taken = self.clean_ms if examined.found is None else self.regions_ms
                taken.append(steps.total_us / 1e3)

    def measured(self) -> Measured:
        times = {"clean": _times(self.clean_ms), "regions": _times(self.regions_ms)}
        return self.told.model_copy(update=times)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be measured, within which limits, and where the choice is kept (None: nowhere)."""

    bundle: Bundle
    limits: EngineConfig
    kept: Path | None = None


def wanted_engines(
    bundle: Path | None,
    config: Path | None,
    *,
    precision: str | None,
    threads: int | None,
    trusted: Collection[str] | None = None,
) -> Wanted:
    """What the command line asks for: a bundle, or a configuration that says everything.

    Raises UsageError, ConfigError and BundleError.
    """
    if (bundle is None) == (config is None):
        raise UsageError("--select takes either --bundle or --config")
    if bundle is not None:
        limits = EngineConfig(precision=parse_precision(precision), threads=threads)
        return Wanted(open_bundle(bundle, trusted), limits)
    assert config is not None
    if precision is not None or threads is not None or trusted is not None:
        raise UsageError("--config says which precision, threads and keys; give it alone")
    settings = open_config(config)
    return Wanted(admit(settings), settings.engine, settings.engine_path)


def run_select(
    wanted: Wanted, *, seconds: float, repeat: int | None, json: bool, progress: bool
) -> None:
    """Measure, print, keep. Raises BundleError, after printing, where no engine proves itself."""
    selection = select(
        wanted.bundle, wanted.limits, seconds=seconds, repeat=repeat, progress=progress
    )
    if json:
        print(plain_json(selection.model_dump_json(indent=1)))
    else:
        if selection.chosen is not None:
            Console(highlight=False).print(selection_table(selection))
        print("\n".join(map(printable, selection_lines(selection))))
    if selection.chosen is None:
        raise BundleError(f"{wanted.bundle.id}: no engine of this machine reproduces it")
    if wanted.kept is None:
        return
    write_selection(wanted.kept, selection)
    if not json:
        print(f"kept in {printable(str(wanted.kept))}")
        if wanted.limits.kind != "auto":
            print(f"not used: engine.kind is {wanted.limits.kind}")


def select(
    bundle: Bundle, limits: EngineConfig, *, seconds: float, repeat: int | None, progress: bool
) -> Selection:
    """The choice and everything that was tried.

    Each candidate runs the golden frames for about ``seconds``, or ``repeat`` times, in turns with
    the others. Blocks.
    """
    tried = [_candidate(bundle, choice) for choice in _choices(bundle, limits)]
    proven = [each for each in tried if isinstance(each, _Candidate)]
    frames = bench_frames(bundle, None)
    console = Console(stderr=True)
    # Drawn between rounds: a thread that draws would take part in the timing.
    with Progress(
        console=console,
        auto_refresh=False,
        transient=True,
        disable=not (progress and console.is_terminal),
    ) as bar:
        task = bar.add_task("measuring", total=1.0)
        for done in _rounds(proven, frames, seconds, repeat):
            bar.update(task, completed=done)
            bar.refresh()
    measured = tuple(each.measured() if isinstance(each, _Candidate) else each for each in tried)
    return Selection(
        bundle=bundle.digest,
        processor=processor(),
        cores=cores(),
        chosen=fastest(measured),
        measured=measured,
    )


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


def fastest(measured: Sequence[Measured]) -> Measured | None:
    """Of those that were not refused the one of least cost; of equal ones that of fewest threads,
    then the first."""
    able = [each for each in measured if each.refused is None]
    if not able:
        return None
    least_ms = min(each.cost_ms for each in able)
    equal = [each for each in able if each.cost_ms <= (1 + EQUAL) * least_ms]
    return min(equal, key=lambda each: each.threads or 0)


def _choices(bundle: Bundle, limits: EngineConfig) -> Iterator[EngineChoice | Measured]:
    """What is to be tried, and what cannot be."""
    most = min(limits.threads or cores(), cores())
    for kind in ENGINES.values():
        some = [build for build in bundle.manifest.builds if build.format == kind.format]
        builds = [build for build in some if limits.precision in (None, build.precision)]
        if not builds:
            wanted = "-".join(filter(None, [kind.format, limits.precision]))
            yield Measured(engine=kind.name, refused=f"the bundle has no {wanted} for it")
            continue
        ways = {(), limits.providers} if kind.name == "ort" else {()}
        for providers in sorted(ways):
            missing = EngineChoice(kind.name, providers=providers).missing()
            if missing is not None:
                yield Measured(engine=kind.name, providers=providers, refused=missing)
                continue
            for build in builds:
                for threads in sorted({1, most}):
                    yield EngineChoice(kind.name, threads, build.precision, providers)


def _candidate(bundle: Bundle, choice: EngineChoice | Measured) -> _Candidate | Measured:
    if isinstance(choice, Measured):
        return choice
    told = Measured(
        engine=choice.name,
        package=choice.load().package,
        build=choice.build(bundle).name,
        precision=choice.precision,
        providers=choice.providers,
        threads=choice.threads,
    )
    try:
        inspector = load_inspector(bundle, now_ns=time.perf_counter_ns, engine=choice)
        prove(bundle, inspector, choice)
    except BundleError as error:
        return told.model_copy(update={"refused": str(error)})
    return _Candidate(told, inspector)


def _rounds(
    candidates: Sequence[_Candidate], frames: Sequence[Pixels], seconds: float, repeat: int | None
) -> Iterator[float]:
    """Runs round after round; yields the share that is done after each."""
    for each in candidates:
        for _ in range(-(-WARM_UP_FRAMES // len(frames))):
            each.turn(frames, counted=False)
    start_ns, whole_ns = time.monotonic_ns(), seconds * 1e9 * len(candidates)
    for number in count(1) if candidates else ():
        for each in candidates:
            each.turn(frames, counted=True)
        if repeat is not None:
            done = number / repeat
        else:
            done = (time.monotonic_ns() - start_ns) / whole_ns
        yield min(done, 1.0)
        if done >= 1.0:
            return


def _times(taken_ms: Sequence[float]) -> Times | None:
    if not taken_ms:
        return None
    p50, p99 = np.percentile(taken_ms, [50, 99], method="higher")
    return Times(frames=len(taken_ms), p50_ms=float(p50), p99_ms=float(p99))
