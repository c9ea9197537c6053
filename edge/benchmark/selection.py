"""The choice of the fastest engine for a bundle on this machine."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from edge.assembly.admission import admit
from edge.assembly.chain import open_bundle, parse_precision
from edge.benchmark.candidate import Answer, Request
from edge.benchmark.report import selection_lines, selection_table
from edge.benchmark.trial import run_trial
from edge.bundle import Bundle
from edge.config.engine import EngineConfig
from edge.engines.registry import ENGINES, EngineChoice
from edge.engines.selection import EngineTiming, Selection, Times, processor, write_selection
from edge.errors import BundleError, UsageError
from edge.privileges import open_config
from edge.terminals import plain_json
from edge.validation_messages import printable

# Candidates within this share are equally fast. Then the one that needs fewer cores is chosen.
EQUAL = 0.05
_PASSES = 2


@dataclass(frozen=True, slots=True)
class SelectionRequest:
    """The bundle to measure, and the limits for engine, precision and threads."""

    bundle: Bundle
    path: Path
    limits: EngineConfig

    record: Path | None = None
    """The file that stores the choice; None: it is not stored."""


def wanted_engines(
    bundle: Path | None,
    config: Path | None,
    *,
    precision: str | None,
    threads: int | None,
    trusted: Collection[str] | None = None,
) -> SelectionRequest:
    """Return the request of the command line: a bundle with limits, or a configuration.

    Raises UsageError, ConfigError and BundleError.
    """
    if (bundle is None) == (config is None):
        raise UsageError("--select takes either --bundle or --config")
    if bundle is not None:
        limits = EngineConfig(precision=parse_precision(precision), threads=threads)
        return SelectionRequest(open_bundle(bundle, trusted), bundle, limits)
    assert config is not None
    if precision is not None or threads is not None or trusted is not None:
        raise UsageError(
            "--config has precision, threads and keys: omit --precision, --threads and --trust"
        )
    settings = open_config(config)
    return SelectionRequest(
        admit(settings), settings.bundle, settings.engine, settings.paths.engine
    )


def run_select(
    request: SelectionRequest, *, seconds: float, repeat: int | None, json: bool, progress: bool
) -> None:
    """Measure the engines, print the result and store the choice.

    Raises BundleError, after printing, where no engine reproduces the golden frames.
    """
    selection = select(request, seconds=seconds, repeat=repeat, progress=progress)
    if json:
        print(plain_json(selection.model_dump_json(indent=1)))
    else:
        if selection.chosen is not None:
            Console(highlight=False).print(selection_table(selection))
        print("\n".join(map(printable, selection_lines(selection))))
    if selection.chosen is None:
        raise BundleError(
            f"{request.bundle.id}: no engine on this machine reproduces its golden frames"
        )
    if request.record is None:
        return
    write_selection(request.record, selection)
    if not json:
        print(f"stored in {printable(str(request.record))}")
        if request.limits.kind != "auto":
            print(f"not used: engine.kind is {request.limits.kind}")


def select(
    request: SelectionRequest, *, seconds: float, repeat: int | None, progress: bool
) -> Selection:
    """Return the choice and the result of each candidate.

    Each candidate runs the golden frames for about ``seconds``, or ``repeat`` times, in its own
    process. A crash, a hang or a lack of memory is a result. With ``seconds`` there are two passes,
    the second in reverse order, so that a processor that becomes warm slows all candidates alike.
    Blocks.
    """
    bundle = request.bundle
    tried: list[EngineTiming] = []
    samples: dict[int, _Samples] = {}
    console = Console(stderr=True)
    # The bar is drawn between passes: a thread that draws would disturb the measurement.
    with Progress(
        console=console,
        auto_refresh=False,
        transient=True,
        disable=not (progress and console.is_terminal),
    ) as bar:
        task = bar.add_task("measuring", total=1.0)

        def trial(choice: EngineChoice) -> Answer:
            def share(done: float) -> None:
                bar.update(task, completed=done, description=str(choice))
                bar.refresh()

            share(0.0)
            passes = 1 if repeat is not None else _PASSES
            return run_trial(_request(request, choice, seconds / passes, repeat), share)

        for choice in _choices(bundle, request.limits):
            if isinstance(choice, EngineTiming):
                tried.append(choice)
                continue
            if any(_is_absent(each, choice) for each in tried):
                continue
            answer = trial(choice)
            if answer.missing is None and answer.refused is None:
                samples[len(tried)] = _Samples(choice, answer)
            tried.append(_timing(choice, answer))
        if repeat is None:
            for number in reversed(samples):
                again = trial(samples[number].choice)
                samples[number].add(again)
                if again.refused is not None:
                    tried[number] = _timing(samples[number].choice, again)
    measured = tuple(
        each if each.refused or number not in samples else samples[number].measured(each)
        for number, each in enumerate(tried)
    )
    return Selection(
        bundle=bundle.digest,
        processor=processor(),
        cores=cores(),
        chosen=fastest(measured),
        measured=measured,
    )


class _Samples:
    """The times of a candidate in ms per frame, over all passes."""

    def __init__(self, choice: EngineChoice, answer: Answer) -> None:
        self.choice = choice
        self._clean = list(answer.clean_ms)
        self._regions = list(answer.regions_ms)

    def add(self, answer: Answer) -> None:
        self._clean += answer.clean_ms
        self._regions += answer.regions_ms

    def measured(self, timing: EngineTiming) -> EngineTiming:
        times = {"clean": _times(self._clean), "regions": _times(self._regions)}
        return timing.model_copy(update=times)


def _request(
    request: SelectionRequest, choice: EngineChoice, seconds: float, repeat: int | None
) -> Request:
    return Request(
        bundle=request.path,
        digest=request.bundle.digest,
        engine=choice.name,
        threads=choice.threads,
        precision=choice.precision,
        providers=choice.providers,
        seconds=seconds,
        repeat=repeat,
        answers=-1,
    )


def _timing(choice: EngineChoice, answer: Answer) -> EngineTiming:
    if answer.missing is not None:
        return EngineTiming(engine=choice.name, providers=choice.providers, refused=answer.missing)
    return EngineTiming(
        engine=choice.name,
        package=answer.package,
        build=answer.build,
        precision=choice.precision,
        providers=choice.providers,
        threads=choice.threads,
        refused=answer.refused,
    )


def _is_absent(timing: EngineTiming, choice: EngineChoice) -> bool:
    """Return whether an earlier trial has shown that this engine's library is missing."""
    same = (timing.engine, timing.providers) == (choice.name, choice.providers)
    return same and timing.refused is not None and timing.threads is None


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def fastest(measured: Sequence[EngineTiming]) -> EngineTiming | None:
    """Return the fastest candidate that was not refused; None: all were refused.

    Among equally fast ones it is the one with the fewest threads, and then the first.
    """
    able = [each for each in measured if each.refused is None]
    if not able:
        return None
    least_ms = min(each.cost_ms for each in able)
    equal = [each for each in able if each.cost_ms <= (1 + EQUAL) * least_ms]
    return min(equal, key=lambda each: each.threads or 0)


def _choices(bundle: Bundle, limits: EngineConfig) -> Iterator[EngineChoice | EngineTiming]:
    """Yield the candidates, and a refusal for each engine without a build."""
    most = min(limits.threads or cores(), cores())
    for kind in ENGINES.values():
        some = [build for build in bundle.manifest.builds if build.format == kind.format]
        builds = [build for build in some if limits.precision in (None, build.precision)]
        if not builds:
            wanted = "-".join(filter(None, [kind.format, limits.precision]))
            yield EngineTiming(engine=kind.name, refused=f"the bundle has no {wanted} for it")
            continue
        ways = {(), limits.providers} if kind.name == "ort" else {()}
        for providers in sorted(ways):
            for build in builds:
                for threads in sorted({1, most}):
                    yield EngineChoice(kind.name, threads, build.precision, providers)


def _times(times_ms: Sequence[float]) -> Times | None:
    if not times_ms:
        return None
    p50, p99 = np.percentile(times_ms, [50, 99], method="higher")
    return Times(frames=len(times_ms), p50_ms=float(p50), p99_ms=float(p99))
