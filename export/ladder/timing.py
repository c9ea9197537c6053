"""The time of untrained bundles in the engine that ``outfeed bench --select`` would choose."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from edge.benchmark.selection import SelectionRequest, select
from edge.bundle import parse_bundle, write_bundle
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


def measure(request: TimingRequest, folder: Path) -> Measured:
    """Time every subject, one after another. Blocks for minutes.

    folder: for bundles, which are removed again. A subject that cannot be exported or run is named
    with its reason, and does not stop the others.
    """
    times: list[ChainTime] = []
    failed: list[NotTimed] = []
    networks: dict[tuple[str, int], UntrainedNetwork | OutfeedError] = {}
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for subject in request.subjects:
            key = subject.name, subject.channels
            if key not in networks:
                networks[key] = _network(subject)
            network = networks[key]
            try:
                if isinstance(network, OutfeedError):
                    raise network
                times.append(_time(network, subject, Path(place), request.seconds))
            except OutfeedError as error:
                failed.append(NotTimed(subject=subject, reason=str(error)))
    channels = request.subjects[0].channels
    return Measured(
        processor=processor(),
        region_ms=region_ms(channels, request.kinds),
        times=tuple(times),
        not_timed=tuple(failed),
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


def _network(subject: Subject) -> UntrainedNetwork | OutfeedError:
    try:
        return UntrainedNetwork(subject.name, subject.channels)
    except OutfeedError as error:
        return error
    except (RuntimeError, ValueError) as error:
        # Some methods have no network to export before they have seen pictures.
        reason = one_line(error).partition(". ")[0]
        return OutfeedError(f"{subject.name}: cannot be exported untrained: {reason}")


def _time(network: UntrainedNetwork, subject: Subject, folder: Path, seconds: float) -> ChainTime:
    """Return the time of the fastest engine. Raises OutfeedError where none runs the network."""
    data = network.bundle(subject)
    path = folder / f"{subject.name}-{subject.size}.outfeed"
    write_bundle(path, data)
    request = SelectionRequest(parse_bundle(data), path, EngineConfig(threads=1))
    selection = select(request, seconds=seconds, repeat=None, progress=False)
    path.unlink()
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
