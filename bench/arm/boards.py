"""The boards of the shipped profiles, and how their times are estimated from counts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.arm.cores import CORES
from bench.arm.figures import ArmFigures
from bench.arm.published import PUBLISHED, PublishedTime
from bench.arm.workloads import SIZE
from models.ladder.rungs import LADDER
from models.ladder.targets import NetworkEstimate, TargetProfile

_ENGINE_TITLES = {"ort": "ONNX Runtime", "litert": "LiteRT"}


@dataclass(frozen=True, slots=True)
class EstimatedBoard:
    """A board. core: name in CORES. ghz: its highest frequency without overclocking."""

    name: str
    title: str
    core: str
    ghz: float
    cores: int


BOARDS = (
    EstimatedBoard("rpi4", "Raspberry Pi 4, Cortex-A72", "a72", 1.8, 4),
    EstimatedBoard("rpi5", "Raspberry Pi 5, Cortex-A76", "a76", 2.4, 4),
    EstimatedBoard("orin", "Jetson Orin Nano, Cortex-A78AE", "a78", 1.5, 6),
    EstimatedBoard("n100", "Intel N100, with AVX2", "avx2", 2.9, 4),
)

# Times in ONNX Runtime int8 of docs/benchmarks/speed.md, "Without VNNI", in ms. That machine's
# frequency was not recorded: 3.3 GHz is usual for its kind.
X86_MS = {"nano": 0.557, "lean": 2.70}
_X86_GHZ = 3.3
# The N100 executes an instruction of 256 bits in two halves. It has AVX-VNNI, which QEMU 7.2 lacks.
_N100_HALVES = 2.0
_N100_ERROR = 0.5
# Eight times at most are known, of two networks. Another network may differ more than these.
_LEAST_ERROR = 0.3


@dataclass(frozen=True, slots=True)
class CycleRate:
    """A factor from a count to time.

    unit: cycles for each least cycle, or for each instruction. error: the largest difference of a
    known time from its estimate, as a share of the estimate, and at least _LEAST_ERROR. known: the
    number of known times.
    """

    unit: float
    error: float
    known: int


@dataclass(frozen=True, slots=True)
class PublishedCheck:
    """A published time beside its estimate, in ms."""

    time: PublishedTime
    instructions: int
    cycles: float
    estimate_ms: float

    @property
    def ratio(self) -> float:
        """Return the published time for each estimated one."""
        return self.time.ms / self.estimate_ms


def rate_of(units: Sequence[float]) -> CycleRate:
    """Return the rate in the middle of known ones, on a logarithmic scale.

    units: cycles for each least cycle, of networks whose time is known. Raises ValueError for none.
    """
    if not units:
        raise ValueError("no known time; expected at least one published network")
    unit = math.exp(sum(map(math.log, units)) / len(units))
    error = max(abs(each / unit - 1) for each in units)
    return CycleRate(unit, max(error, _LEAST_ERROR), len(units))


def rates_of(figures: Sequence[ArmFigures]) -> dict[str, CycleRate]:
    """Return the rate of each core, from published times.

    A core without them has the rate of the core with the same ports. Processors of x86-64 have one
    from times of this project.
    """
    units: dict[str, list[float]] = {}
    for time, each in _held(figures):
        units.setdefault(time.core, []).append(time.ms * time.ghz * 1e6 / each.cycles)
    known = {core: rate_of(some) for core, some in units.items()}
    found = dict(known)
    for core in CORES.values():
        for other, rate in known.items():
            if core.ports is not None and core.ports == CORES[other].ports:
                found.setdefault(core.name, rate)
    x86 = x86_ns(figures)
    if x86:
        unit = rate_of(x86).unit * _X86_GHZ * _N100_HALVES
        found["avx2"] = CycleRate(unit, _N100_ERROR, len(x86))
    return found


def x86_ns(figures: Sequence[ArmFigures]) -> list[float]:
    """Return the measured nanoseconds for each counted instruction on a processor with AVX2."""
    return [
        X86_MS[each.name] * 1e6 / each.instructions
        for each in figures
        if (each.core, each.kind, each.engine) == ("avx2", "network", "ort") and each.name in X86_MS
    ]


def _held(figures: Sequence[ArmFigures]) -> Iterator[tuple[PublishedTime, ArmFigures]]:
    """Yield the published times whose networks were counted."""
    counted = {(each.core, each.name): each for each in figures if each.kind == "ncnn"}
    for time in PUBLISHED:
        each = counted.get((time.core, time.network))
        if each is not None:
            yield time, each


def checks(figures: Sequence[ArmFigures], rates: dict[str, CycleRate]) -> list[PublishedCheck]:
    """Return every published time beside its estimate."""
    found = []
    for time, each in _held(figures):
        ms = each.cycles * rates[time.core].unit / time.ghz / 1e6
        found.append(PublishedCheck(time, each.instructions, each.cycles, ms))
    return found


def estimate_ms(figures: ArmFigures, rate: CycleRate, ghz: float) -> float:
    """Return the estimated time of a frame in ms."""
    amount = figures.cycles or float(figures.instructions)
    return amount * rate.unit / ghz / 1e6


def profile(board: EstimatedBoard, figures: Sequence[ArmFigures], rate: CycleRate) -> TargetProfile:
    """Return the profile of a board: the faster engine of each rung, with the rest of the chain.

    What the chain takes beside its network is counted with the shipped bundles, and taken from the
    smallest one for the other rungs. Raises ValueError where a rung was not counted.
    """
    own = [each for each in figures if each.core == board.core]
    rest_ms = _rest_ms(own, rate, board.ghz)
    networks: dict[str, NetworkEstimate] = {}
    for rung in LADDER:
        times = {
            each.engine: estimate_ms(each, rate, board.ghz)
            for each in own
            if each.kind == "network" and each.name == rung.network
        }
        if not times:
            raise ValueError(f"{board.name}: {rung.network} was not counted")
        engine = min(times, key=lambda name: times[name])
        ms = round(times[engine] + rest_ms, 3)
        networks[rung.network] = NetworkEstimate(engine=_ENGINE_TITLES[engine], ms=ms)
    regions = [
        estimate_ms(each, rate, board.ghz)
        for each in own
        if each.kind == "network" and each.name == "classifier"
    ]
    return TargetProfile(
        title=board.title,
        ghz=board.ghz,
        cores=board.cores,
        error=round(rate.error, 2),
        method=_method(board, rate),
        region_ms=round(min(regions), 3),
        networks=networks,
    )


def _method(board: EstimatedBoard, rate: CycleRate) -> str:
    """Return one sentence on the method and its error."""
    core = CORES[board.core]
    amount = "instructions" if core.ports is None else "the least cycles for its instructions"
    return (
        f"{board.title} was not measured; {amount} were counted in an emulator and taken as "
        f"{rate.unit:.2g} cycles each at {board.ghz:g} GHz, with an error of ±{rate.error:.0%}"
    )


def _rest_ms(own: Sequence[ArmFigures], rate: CycleRate, ghz: float) -> float:
    """Return what a frame without a defect takes outside the network, in ms; 0 if not counted."""
    for rung in LADDER:
        for chain in own:
            if chain.kind == "chain" and not chain.defects and chain.name.endswith(rung.network):
                for alone in own:
                    if (alone.kind, alone.name, alone.engine) == (
                        "network",
                        rung.network,
                        chain.engine,
                    ):
                        rest = estimate_ms(chain, rate, ghz) - estimate_ms(alone, rate, ghz)
                        return max(rest, 0.0)
    return 0.0


def write_profiles(path: Path, found: dict[str, TargetProfile], counted: str) -> None:
    """Write targets.json. counted: the date."""
    whole = {
        "counted": counted,
        "command": "make bench-arm",
        "size": SIZE,
        "targets": {name: each.model_dump() for name, each in found.items()},
    }
    path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
