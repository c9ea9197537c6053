"""The records from which a station is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edge.clock import Clock
from edge.devices.camera import Camera
from edge.devices.trigger import Trigger
from edge.line.freshness import FreshnessRules
from edge.line.part import LineTiming
from edge.records import Verdict
from edge.rejector.messages import Actuated
from edge.station.collaborators import (
    NO_MONITOR,
    NO_PICTURES,
    NO_TRIAL,
    ConditionMonitor,
    JournalPort,
    PartInspector,
    PictureRecorder,
    RejectorPort,
    TrialPort,
)
from edge.station.previous_run import LastRunAccount
from edge.station.recent_parts import PartRegister, temporary_register
from edge.watchdog import SILENT, Notifier, StageLimits


@dataclass(frozen=True, slots=True)
class StationSettings:
    """The names and limits of a station."""

    station_id: str
    """The name of the station in its events."""

    bundle_id: str
    """The name of the bundle in its events and in the status line."""

    timing: LineTiming
    freshness: FreshnessRules = field(default_factory=FreshnessRules)
    """The rules by which a frame is accepted as the frame of its part."""

    limits: StageLimits = field(default_factory=StageLimits)
    """The time after which the watchdog reports a stage as hung."""

    commit_interval_s: float = 0.0
    """The time that an event waits for others, so that they share one fsync."""


@dataclass(frozen=True, slots=True)
class StationDevices:
    """The devices at the line. The station closes trigger, camera and rejector."""

    trigger: Trigger
    camera: Camera
    rejector: RejectorPort
    clock: Clock


@dataclass(frozen=True, slots=True)
class StationServices:
    """The collaborators that inspect, record and report. The station closes the journal."""

    inspector: PartInspector
    journal: JournalPort
    pictures: PictureRecorder = NO_PICTURES
    monitor: ConditionMonitor = NO_MONITOR
    trial: TrialPort = NO_TRIAL
    notifier: Notifier = SILENT
    """The service manager, which receives the heartbeats."""


@dataclass(frozen=True, slots=True)
class RunHistory:
    """The numbers and the state that a run takes over from the previous one."""

    first_part_id: int = 1
    account: LastRunAccount | None = None
    """The account of the previous run, which is journalled before everything else."""

    register: PartRegister = field(default_factory=temporary_register)
    """The register of this run. Its ``begin`` has been called."""


@dataclass(frozen=True, slots=True)
class StationListeners:
    """Functions that the station calls on its own threads. They must return soon."""

    on_verdict: Callable[[Verdict], None] = lambda verdict: None
    """Called with the final verdict on each part."""

    on_actuated: Callable[[Actuated], None] = lambda report: None
    """Called with each report of the rejector."""
