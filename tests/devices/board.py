"""The devices of the board that the tests run on, where OUTFEED_BOARD names its station.toml.

    OUTFEED_BOARD=/etc/outfeed/station.toml python -m pytest tests/devices

Its output's line must be wired to its trigger's. Without the variable nothing is added.
docs/how-to/check-a-board.md describes the wiring.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edge.assembly.camera import open_live_camera
from edge.assembly.station import make_gpio_output, make_trigger
from edge.clock import MonotonicClock
from edge.config.station import StationConfig, load_config
from edge.devices.output import Output
from tests.devices.cameras import CameraRig
from tests.devices.triggers import PulledRig, TriggerRig

CLOCK = MonotonicClock()
CONFIG = os.environ.get("OUTFEED_BOARD")


def _config() -> StationConfig:
    assert CONFIG is not None
    return load_config(Path(CONFIG))


def _trigger(_: object) -> Iterator[TriggerRig]:
    config = _config()
    output = make_gpio_output(config.output)
    rig = PulledRig(
        make_trigger(config, clock=CLOCK), CLOCK.now_ns, output.set, lambda: time.sleep(0.005)
    )
    yield rig
    rig.trigger.close()
    output.close()


def _output(_: object) -> Iterator[tuple[Output, Callable[[], list[bool]]]]:
    """Yield the board's output, and a function that returns the levels at the trigger's line.

    The trigger reads only edges to active: between two of them the line was inactive once.
    """
    config = _config()
    trigger = make_trigger(config, clock=CLOCK)
    levels: list[bool] = []

    def seen() -> list[bool]:
        while trigger.wait(0.02) is not None:
            levels.extend([False, True] if levels else [True])
        return levels

    yield make_gpio_output(config.output), seen
    trigger.close()


def _camera(_: object) -> Iterator[CameraRig]:
    camera = open_live_camera(_config().camera, clock=CLOCK)
    yield CameraRig(camera, CLOCK.now_ns, lambda: time.sleep(0.03))


def triggers() -> dict[str, Any]:
    return {} if CONFIG is None else {"board": _trigger}


def outputs() -> dict[str, Any]:
    return {} if CONFIG is None else {"board": _output}


def cameras() -> dict[str, Any]:
    return {} if CONFIG is None or not _config().camera.live else {"board": _camera}
