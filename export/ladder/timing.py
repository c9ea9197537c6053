"""The time of untrained bundles in the engine that ``outfeed bench --select`` would choose."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from edge.benchmark.selection import SelectionRequest, select
from edge.bundle import read_bundle, write_bundle
from edge.chain.classify import BLOCKS_PER_REGION
from edge.config.engine import EngineConfig
from edge.engines.ort import OrtEngine
from edge.engines.selection import EngineTiming, processor
from edge.errors import OutfeedError
from edge.validation_messages import one_line
from export.ladder.untrained import UntrainedNetwork, untrained_classifier
from models.ladder.measure import TimingRequest
from models.ladder.record import ChainTime, Measured, NotTimed, Subject
from models.networks import BlockClassifier

REGIONS = 200  # runs of the classifier that are timed
WARM_UP = 10
PASSES = 2


def measure(request: TimingRequest, folder: Path) -> Measured:
    """Time every subject, one after another, and again in reverse order. Blocks for minutes.

    Of the two passes the one with the smaller median counts, since other work disturbed it less.
    folder: for bundles, which are removed again. A subject that cannot be exported or run is named
    with its reason, and does not stop the others.
    """
    failed: list[NotTimed] = []
    with tempfile.TemporaryDirectory(dir=folder) as place:
        paths = dict(_bundles(request, Path(place), failed))
        found: dict[Subject, ChainTime] = {}
        for subject in (*paths, *reversed(paths)):
            try:
                timed = _time(subject, paths[subject], request.seconds / PASSES)
            except OutfeedError as error:
                failed.append(NotTimed(subject=subject, reason=str(error)))
                continue
            if subject not in found or timed.p50_ms < found[subject].p50_ms:
                found[subject] = timed
    refused = {each.subject for each in failed}
    times = [found[subject] for subject in paths if subject not in refused]
    channels = request.subjects[0].channels
    return Measured(
        processor=processor(),
        region_ms=region_ms(channels, request.kinds),
        times=tuple(times),
        not_timed=tuple({each.subject: each for each in failed}.values()),
    )


def region_ms(channels: int, kinds: int) -> float:
    """Return the median time of the classifier for one region, in ms on one core."""
    side = BlockClassifier(channels, kinds).size_px
    engine = OrtEngine(
        untrained_classifier(channels, kinds),
        batch=BLOCKS_PER_REGION,
        height=side,
        width=side,
        channels=channels,
    )
    return median(_runs(engine))


def _runs(engine: OrtEngine) -> Iterator[float]:
    for number in range(WARM_UP + REGIONS):
        start_ns = time.perf_counter_ns()
        engine.run()
        if number >= WARM_UP:
            yield (time.perf_counter_ns() - start_ns) / 1e6


def _bundles(
    request: TimingRequest, folder: Path, failed: list[NotTimed]
) -> Iterator[tuple[Subject, Path]]:
    """Write and yield the bundle of each subject; add those without one to failed."""
    networks: dict[tuple[str, int], UntrainedNetwork | OutfeedError] = {}
    for number, subject in enumerate(request.subjects):
        key = subject.name, subject.channels
        if key not in networks:
            networks[key] = _network(subject)
        network = networks[key]
        if isinstance(network, OutfeedError):
            failed.append(NotTimed(subject=subject, reason=str(network)))
            continue
        path = folder / f"{number}-{subject.name}.outfeed"
        write_bundle(path, network.bundle(subject))
        yield subject, path


def _network(subject: Subject) -> UntrainedNetwork | OutfeedError:
    try:
        return UntrainedNetwork(subject.name, subject.channels)
    except OutfeedError as error:
        return error
    except (RuntimeError, ValueError) as error:
        # Some methods have no network to export before they have seen pictures.
        reason = one_line(error).partition(". ")[0]
        return OutfeedError(f"{subject.name}: cannot be exported untrained: {reason}")


def _time(subject: Subject, path: Path, seconds: float) -> ChainTime:
    """Return the time of the fastest engine. Raises OutfeedError where none runs the bundle."""
    request = SelectionRequest(read_bundle(path), path, EngineConfig(threads=1))
    selection = select(request, seconds=seconds, repeat=None, progress=False)
    chosen = selection.chosen
    if chosen is None:
        raise OutfeedError(f"{subject.name}: no engine runs it: {_reasons(selection.measured)}")
    if chosen.clean is None:
        raise OutfeedError(f"{subject.name}: reports defects untrained, so no time is known")
    return ChainTime(
        subject=subject,
        engine=f"{chosen.package} {chosen.build}",
        frames=chosen.clean.frames,
        p50_ms=chosen.clean.p50_ms,
        p99_ms=chosen.clean.p99_ms,
    )


def _reasons(measured: tuple[EngineTiming, ...]) -> str:
    return "; ".join(f"{each.engine}: {each.refused}" for each in measured if each.refused)
