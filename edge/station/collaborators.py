"""The protocols of a station's collaborators, besides its devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from edge.events.condition import DriftEvent, SelfTestEvent
from edge.events.event import Event
from edge.inbox import InboxItem
from edge.pictures.provenance import PictureOrigin
from edge.records import Frame, Verdict
from edge.rejector.messages import Actuated, Counted


class PartInspector(Protocol):
    """The chain, as the station uses it."""

    def inspect(self, frame: Frame, /) -> Verdict:
        """Return the verdict on one frame. Called by one thread. Raises OutfeedError."""
        ...


class RejectorPort(Protocol):
    """The rejector, as the station uses it. ``RejectorClient`` implements it."""

    restarts: int

    def start(self, on_actuated: Callable[[Actuated], None]) -> object: ...

    def announce(self, part_id: int, due_ns: int) -> None: ...

    def sighted(self, part_id: int, seen_ns: int) -> None: ...

    def resolve(self, part_id: int, eject: bool) -> None: ...

    def ping(self) -> int:
        """Ping the rejector, and return the time of its last answer in nanoseconds.

        To be called ten times a second, by the thread that announces parts.
        """
        ...

    def abandon(self, timeout_s: float) -> None:
        """Close the connection without Goodbye. A station that crashes calls it, not ``close``."""
        ...

    def close(self, timeout_s: float) -> Counted | None: ...


class JournalPort(Protocol):
    """The journal, as the station uses it."""

    def append(self, events: Sequence[Event], /) -> object:
        """Store all events or none, durably. May block. Raises JournalError."""
        ...

    def close(self) -> None:
        """Close the journal. Nothing is appended afterwards."""
        ...


OnStored = Callable[[], None]
"""Called on the journal's thread when an event is on the disk."""

PutMark = Callable[[InboxItem, str | None, OnStored], bool]
"""Takes a mark or an answer for the journal, and the name of its picture where there is one.
Returns False where the queue is full. Never waits."""


class PictureRecorder(Protocol):
    """The recorder of pictures, as the station uses it. ``ImageRecorder`` implements it.

    Synchronization: the ``record`` methods are called on any thread of the station and never wait
    for a disk.
    """

    @property
    def counts(self) -> Mapping[str, int]:
        """Return the numbers of stored and skipped pictures, by the reason."""
        ...

    def start(self, on_mark: PutMark) -> None: ...

    def record_frame(self, frame: Frame) -> None:
        """Take a part's frame, before its inspection."""
        ...

    def record_inspection(self, verdict: Verdict) -> None:
        """Take the chain's verdict, in time or not. Precedes ``record_verdict`` if it is final."""
        ...

    def record_verdict(self, verdict: Verdict) -> None:
        """Take the final verdict on a part, which is on its way to the rejector and journal."""
        ...

    def use_origin(self, origin: PictureOrigin | None) -> None:
        """Take the origin of the verdicts from now on; None: the one of the start."""
        ...

    def dump(self, timeout_s: float) -> None:
        """Write the buffered frames, which may show the reason. A station that crashes calls it,
        not ``close``."""
        ...

    def close(self, timeout_s: float) -> None: ...


class NoPictures:
    """The recorder of a station without pictures."""

    @property
    def counts(self) -> Mapping[str, int]:
        return {}

    def start(self, on_mark: PutMark) -> None: ...

    def record_frame(self, frame: Frame) -> None: ...

    def record_inspection(self, verdict: Verdict) -> None: ...

    def record_verdict(self, verdict: Verdict) -> None: ...

    def use_origin(self, origin: PictureOrigin | None) -> None: ...

    def dump(self, timeout_s: float) -> None: ...

    def close(self, timeout_s: float) -> None: ...


NO_PICTURES = NoPictures()


PutEvent = Callable[[DriftEvent | SelfTestEvent], None]
"""Takes an event for the journal, from any thread. Never waits."""


class ConditionMonitor(Protocol):
    """The monitor of drift and self-tests, as the station uses it.

    ``edge.station.monitor.thread.Monitor`` implements it. Only ``start`` and ``run_self_test``
    block.
    """

    @property
    def status(self) -> str:
        """Return the fault for the status line; empty where there is none."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """Return the numbers of measurements, drifts and self-tests, by name."""
        ...

    def start(self, on_event: PutEvent, first_part: int) -> None:
        """Start before the first part, while the inspector is not in use. Blocks for two
        inspections."""
        ...

    def is_self_test_due(self) -> bool:
        """Return whether the next self-test is due."""
        ...

    def run_self_test(self, available_ns: int, last_part: int) -> bool:
        """Run a self-test on the inspector's thread if it fits into available_ns.

        Return whether it ran. last_part: the last part with a verdict.
        """
        ...

    def record_inspection(self, frame: Frame, verdict: Verdict) -> None:
        """Take the chain's verdict on a frame, after ``record_verdict``."""
        ...

    def record_verdict(self, verdict: Verdict) -> None:
        """Take the final verdict on a part."""
        ...

    def record_bad_part(self, part_id: int) -> None:
        """Take a person's mark that this part was a known defective one."""
        ...

    def doubt(self) -> str | None:
        """Return the reason why no part may pass now; None: parts may pass."""
        ...

    def close(self, timeout_s: float) -> None: ...


class NoMonitor:
    """The monitor of a station without drift monitoring and self-tests."""

    status = ""

    @property
    def counts(self) -> Mapping[str, int]:
        return {}

    def start(self, on_event: PutEvent, first_part: int) -> None: ...

    def is_self_test_due(self) -> bool:
        return False

    def run_self_test(self, available_ns: int, last_part: int) -> bool:
        return False

    def record_inspection(self, frame: Frame, verdict: Verdict) -> None: ...

    def record_verdict(self, verdict: Verdict) -> None: ...

    def record_bad_part(self, part_id: int) -> None: ...

    def doubt(self) -> str | None:
        return None

    def close(self, timeout_s: float) -> None: ...


NO_MONITOR = NoMonitor()


@dataclass(frozen=True, slots=True)
class ActiveChain:
    """A chain with what belongs to its bundle. origin: None is the one of the picture recorder."""

    bundle_id: str
    inspector: PartInspector
    monitor: ConditionMonitor = NO_MONITOR
    origin: PictureOrigin | None = None


@dataclass(frozen=True, slots=True)
class TrialHost:
    """The functions of a station that a trial calls, on its own thread.

    base: the chain of the start. on_event: takes an event of a monitor. last_part: returns the
    number of the last part. chain: returns the chain that decides now. busy_since_ns: returns the
    begin of the present inspection, 0 between two frames. replace: lets another thread go on with
    this chain, because the present one hangs in an inspection.
    """

    base: ActiveChain
    on_event: PutEvent
    last_part: Callable[[], int]
    chain: Callable[[], ActiveChain]
    busy_since_ns: Callable[[], int]
    replace: Callable[[ActiveChain], None]


class TrialPort(Protocol):
    """The trial of another bundle, as the station uses it.

    ``edge.station.trial.BundleTrial`` implements it. The ``record`` methods never wait.
    """

    wanted: ActiveChain | None
    """The chain that is to decide; None: the present one."""

    def start(self, host: TrialHost) -> None: ...

    def record_inspection(self, frame: Frame, verdict: Verdict, inspect_ms: float) -> None:
        """Take the chain's verdict on a frame, after it was settled."""
        ...

    def record_verdict(self, verdict: Verdict) -> None:
        """Take the final verdict on a part. Any thread."""
        ...

    def close(self, timeout_s: float) -> None: ...


class NoTrial:
    """The trial of a station that takes no bundles from the network."""

    wanted: ActiveChain | None = None

    def start(self, host: TrialHost) -> None: ...

    def record_inspection(self, frame: Frame, verdict: Verdict, inspect_ms: float) -> None: ...

    def record_verdict(self, verdict: Verdict) -> None: ...

    def close(self, timeout_s: float) -> None: ...


NO_TRIAL = NoTrial()
