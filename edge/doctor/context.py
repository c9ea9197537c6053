"""What is examined."""

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
    """A station that is configured, and the machine below it.

    running: the station that runs now; then its devices are left alone. admit: opens the bundle as
    the station does, signature and all, raising BundleError or ConfigError; engine: the name of the
    engine that it would run on, raising ConfigError where that was not measured; prove: runs the
    golden frames, raising BundleError; camera: opens the camera, raising DeviceError.
    """

    config: StationConfig
    machine: MachineState
    running: Running | None
    admit: Callable[[], Bundle]
    engine: Callable[[Bundle], str]
    prove: Callable[[Bundle], None]
    camera: Callable[[], Camera]
    golden: bool = True
