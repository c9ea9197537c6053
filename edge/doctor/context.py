"""The station and the machine that the checks examine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.bundle import Bundle
from edge.config.station import StationConfig
from edge.devices.camera import Camera
from edge.doctor.machine import MachineState
from edge.doctor.station_process import Running


@dataclass(frozen=True, slots=True)
class DiagnosticContext:
    """A configured station and its machine."""

    config: StationConfig
    machine: MachineState

    running: Running | None
    """The station process; None where no station runs. While it runs, no device is opened."""

    admit: Callable[[], Bundle]
    """Opens the bundle and checks its signature. Raises BundleError or ConfigError."""

    engine: Callable[[Bundle], str]
    """Returns the name of the engine. Raises ConfigError where the engine was not measured."""

    prove: Callable[[Bundle], None]
    """Runs the golden frames. Raises BundleError."""

    camera: Callable[[], Camera]
    """Opens the camera. Raises DeviceError."""

    golden: bool = True
    """False: the golden frames are not run."""
