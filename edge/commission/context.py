"""What a step of commissioning works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.bundle import Bundle
from edge.clock import Clock
from edge.commission.operator import Operator
from edge.commission.result import StepResult
from edge.config.station import StationConfig
from edge.devices.camera import Camera
from edge.devices.encoder import Encoder
from edge.devices.trigger import Trigger
from edge.line.freshness import FreshnessRules
from edge.rejector.client import RejectorClient
from edge.rejector.options import RejectorOptions
from edge.station import PartInspector


@dataclass(frozen=True, slots=True)
class CommissionSettings:
    """How much is measured. parts: good parts, and parts between the two eyes; frames: pictures for
    focus; kicks and inspections: for p99.9; wait_s: for the next part; false_rejects: how many good
    parts may be rejected; rate_hz: parts a second that the line wants, None: as configured or seen.
    browser: the port of the live picture, None: no page; listen: its address.
    """

    parts: int = 20
    frames: int = 20
    kicks: int = 5000
    inspections: int = 5000
    wait_s: float = 30.0
    false_rejects: int = 0
    rate_hz: float | None = None
    browser: int | None = None
    listen: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class StationDevices:
    """Opens the station's devices, each for whoever closes it again.

    eye, encoder: take the trigger, at whose belt simulated ones look; only where they are
    configured. rejector_options: as the station would give them.
    """

    camera: Callable[[], Camera]
    freshness: FreshnessRules
    trigger: Callable[[], Trigger]
    eye: Callable[[Trigger], Trigger]
    encoder: Callable[[Trigger], Encoder]
    rejector_options: Callable[[Trigger | None], RejectorOptions]
    rejector: Callable[[RejectorOptions], RejectorClient]


@dataclass(frozen=True, slots=True)
class CommissionContext:
    """Everything that steps share. folder: for pictures. say: one line for a person.

    done: results that still hold, by step; a step may need the figures of another one.
    """

    config: StationConfig
    bundle: Bundle
    inspector: PartInspector
    devices: StationDevices
    clock: Clock
    person: Operator
    folder: Path
    say: Callable[[str], None]
    settings: CommissionSettings = CommissionSettings()
    done: Mapping[str, StepResult] = field(default_factory=dict)

    def figure(self, step: str, name: str) -> float | None:
        """What an earlier step measured, None where it did not."""
        result = self.done.get(step)
        return None if result is None else result.figure(name)
