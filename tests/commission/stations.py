"""Stations on a simulated line, their pictures and operators, for commissioning steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.assembly.commissioning import devices_of
from edge.bundle import TrainedOn, read_bundle
from edge.chain.load import build_inspector
from edge.clock import Clock, MonotonicClock
from edge.commission.context import CommissionContext, CommissionSettings, NoOperator, Operator
from edge.commission.sharpness import Pixels
from edge.config.station import load_config
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
# Load from other processes may delay a part by tenths of a second. No part is unknown with these.
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
    """Write station.toml, a bundle whose golden frames are tiles, and pictures.

    pictures: 8 good ones where none are given.
    """
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


class ScriptedOperator:
    """An Operator who answers with a function, and records the questions."""

    present = True

    def __init__(self, answer: Callable[[str], str | None] = lambda text: None) -> None:
        self.asked: list[str] = []
        self._answer = answer

    def confirm(self, text: str) -> bool:
        self.asked.append(text)
        return True

    def choose(self, text: str, answers: Sequence[str]) -> str | None:
        self.asked.append(text)
        return self._answer(text)


class DecliningOperator(ScriptedOperator):
    """An Operator who refuses every request."""

    def confirm(self, text: str) -> bool:
        return False


def context_of(
    path: Path,
    *,
    operator: Operator | None = None,
    clock: Clock | None = None,
    settings: CommissionSettings | None = None,
    **changes: Any,
) -> CommissionContext:
    """Return a context with the devices of station.toml, except for the given changes."""
    config = load_config(path)
    bundle = read_bundle(config.bundle)
    clock = clock or MonotonicClock()
    lines: list[str] = []
    given = {
        "config": config,
        "bundle": bundle,
        "inspector": build_inspector(bundle, now_ns=time.monotonic_ns),
        "devices": devices_of(config, clock),
        "clock": clock,
        "operator": operator or NoOperator(),
        "folder": path.parent,
        "print_line": lines.append,
        "settings": settings or CommissionSettings(),
    }
    return CommissionContext(**{**given, **changes})


def tiles(
    *, seed: int = 0, size: tuple[int, int] = (96, 128), low: int = 140, high: int = 180
) -> Pixels:
    """Return squares of 8 px at random levels, height × width.

    All levels are above those that the chain of tests.support.bundles reports.
    """
    chance = np.random.default_rng(seed)
    cells = chance.integers(low, high, (size[0] // 8, size[1] // 8), dtype=np.uint8)
    return np.ascontiguousarray(cells.repeat(8, axis=0).repeat(8, axis=1))


def blurred(pixels: Pixels, sigma_px: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma_px), np.uint8)


def lit(pixels: Pixels, factor: float) -> Pixels:
    """Return the picture under more or less light, clipped at white."""
    return np.clip(pixels * factor, 0, 255).astype(np.uint8)
