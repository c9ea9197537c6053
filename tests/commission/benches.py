"""A workbench on a simulated line, for steps without the command."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edge.assembly.commissioning import devices_of
from edge.bundle import TrainedOn, read_bundle
from edge.chain.load import build_inspector
from edge.clock import Clock, MonotonicClock
from edge.commission.context import CommissionContext, CommissionSettings
from edge.commission.operator import NoOperator, Operator
from edge.config.station import load_config
from tests.commission.pictures import Pixels, tiles
from tests.support.bundles import encode, small_bundle
from tests.support.keys import TRUST

TOML = """\
id = "press-3"
bundle = "small.outfeed"
state_dir = "state"
[trust]
keys = ["{trust}"]
[camera]
kind = "files"
path = "frames"
loop = true
[trigger]
rate_hz = {rate_hz}
jitter = 0.3
{trigger}
[line]
travel_ms = {travel_ms}   # with a ruler
budget_ms = {budget_ms}
pulse_ms = {pulse_ms}
[output]
realtime_priority = 0
[uplink]
start = false
"""
# Another machine's load may hold a part up for tenths of a second: no part is unknown for that.
CALM = {"travel_ms": 900.0, "budget_ms": 800.0, "rate_hz": 20.0}
TRAINED_ON = TrainedOn(sizes=((96, 128),), least=(96, 128), greatest=(96, 128), channels=(1,))
EYE = "[ejector_eye]\nto_ejector_ms = 30.0\ntolerance_ms = 6.0\n"


def write_station(
    folder: Path,
    extra: str = "",
    *,
    pictures: Sequence[Pixels] = (),
    rate_hz: float = 20.0,
    trigger: str = "",
    pulse_ms: float = 10.0,
    travel_ms: float = 120.0,
    budget_ms: float = 100.0,
    trained_on: TrainedOn | None = TRAINED_ON,
) -> Path:
    """station.toml, a bundle whose golden frames are tiles, and eight good pictures or those."""
    golden = {f"golden/{seed}.png": tiles(seed=seed) for seed in range(3)}
    small_bundle(folder / "small.outfeed", frames=golden, trained_on=trained_on)
    (folder / "frames").mkdir()
    for number, pixels in enumerate(pictures or [tiles(seed=50 + n) for n in range(8)]):
        (folder / f"frames/{number}.png").write_bytes(encode(pixels))
    path = folder / "station.toml"
    text = TOML.format(
        trust=TRUST,
        rate_hz=rate_hz,
        trigger=trigger,
        pulse_ms=pulse_ms,
        travel_ms=travel_ms,
        budget_ms=budget_ms,
    )
    path.write_text(text + extra)
    return path


class Scripted:
    """An Operator who answers by a function, and remembers what was asked."""

    there = True

    def __init__(self, answer: Callable[[str], str | None] = lambda text: None) -> None:
        self.asked: list[str] = []
        self._answer = answer

    def confirm(self, text: str) -> bool:
        self.asked.append(text)
        return True

    def choose(self, text: str, answers: Sequence[str]) -> str | None:
        self.asked.append(text)
        return self._answer(text)


class Declining(Scripted):
    """Agrees to nothing."""

    def confirm(self, text: str) -> bool:
        return False


def bench_of(
    path: Path,
    *,
    person: Operator | None = None,
    clock: Clock | None = None,
    settings: CommissionSettings | None = None,
    **changes: Any,
) -> CommissionContext:
    """The devices as station.toml has them, unless changes say otherwise."""
    config = load_config(path)
    bundle = read_bundle(config.bundle)
    clock = clock or MonotonicClock()
    said: list[str] = []
    given = {
        "config": config,
        "bundle": bundle,
        "inspector": build_inspector(bundle, now_ns=time.monotonic_ns),
        "devices": devices_of(config, clock),
        "clock": clock,
        "person": person or NoOperator(),
        "folder": path.parent,
        "say": said.append,
        "settings": settings or CommissionSettings(),
    }
    return CommissionContext(**{**given, **changes})
