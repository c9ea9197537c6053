"""The context of a commissioning step: configuration, devices, operator and earlier results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edge.bundle import Bundle
from edge.clock import Clock
from edge.commission.result import StepResult
from edge.config.station import StationConfig
from edge.devices.camera import Camera
from edge.devices.encoder import Encoder
from edge.devices.trigger import Trigger
from edge.line.freshness import FreshnessRules
from edge.rejector.client import RejectorClient
from edge.rejector.options import RejectorOptions
from edge.station import PartInspector


class Operator(Protocol):
    """The operator at the line. Called on the main thread only; each call blocks until an answer.

    present: False where no question can be asked (any more).
    """

    present: bool

    def confirm(self, text: str) -> bool:
        """Ask the operator to do something or to agree. False: refused, or no operator."""
        ...

    def choose(self, text: str, answers: Sequence[str]) -> str | None:
        """Return one of the answers, or None without an operator."""
        ...


class NoOperator:
    """An Operator for a run without a terminal. agrees: the agreement given by --yes."""

    present = False

    def __init__(self, *, agrees: bool = False) -> None:
        self._agrees = agrees

    def confirm(self, text: str) -> bool:
        return self._agrees

    def choose(self, text: str, answers: Sequence[str]) -> str | None:
        return None


@dataclass(frozen=True, slots=True)
class CommissionSettings:
    """The amount of measurement.

    parts: good parts to inspect, and parts to measure between the two photo-eyes.
    frames: pictures for step focus. pulses, inspections: sample sizes for the p99.9.
    wait_s: longest wait for the next part, in seconds.
    false_rejects: allowed number of rejected good parts.
    rate_hz: parts per second that the line needs; None: as configured, or as the photo-eye saw.
    browser: port of the live page; None: no page. listen: address of the live page.
    """

    parts: int = 20
    frames: int = 20
    pulses: int = 5000
    inspections: int = 5000
    wait_s: float = 30.0
    false_rejects: int = 0
    rate_hz: float | None = None
    browser: int | None = None
    listen: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class CommissionDevices:
    """Factories of the station's devices. The caller closes each device that it opens.

    eye, encoder: only where they are configured. They take the trigger, because simulated ones
    share its belt. rejector_options: the options that the station itself would use.
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
    """The objects that all steps share.

    folder: folder for pictures. print_line: prints one line for the operator.
    done: valid results of earlier steps, by name. A step may need the figures of another step.
    """

    config: StationConfig
    bundle: Bundle
    inspector: PartInspector
    devices: CommissionDevices
    clock: Clock
    operator: Operator
    folder: Path
    print_line: Callable[[str], None]
    settings: CommissionSettings = CommissionSettings()
    done: Mapping[str, StepResult] = field(default_factory=dict)

    def figure(self, step: str, name: str) -> float | None:
        """Return a figure of an earlier step, or None where it was not measured."""
        result = self.done.get(step)
        return None if result is None else result.figure(name)
