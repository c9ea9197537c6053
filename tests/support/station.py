"""A station with scripted parts whose collaborators record each call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from edge.clock import MonotonicClock
from edge.devices.trigger import EndOfParts, TriggerEdge
from edge.errors import DeviceError, JournalError
from edge.line.outcome import Action, Cause
from edge.line.part import LineTiming
from edge.records import Decision, Frame, Timings, Verdict
from edge.rejector.messages import Actuated
from edge.station import (
    RunHistory,
    Station,
    StationDevices,
    StationListeners,
    StationServices,
    StationSettings,
)
from edge.watchdog import StageLimits

CLOCK = MonotonicClock()


MS = 1_000_000


# The budget is generous, as the machine is shared; what is stuck is stuck until it is let go.
TIMING = LineTiming(travel_ns=2_000 * MS, budget_ns=300 * MS)


PIXELS = np.zeros((4, 4), np.uint8)


P, R, U = Decision.PASS, Decision.REJECT, Decision.UNKNOWN


class ScriptedTrigger:
    """``parts`` edges, each when the script lets it, then the end."""

    def __init__(self, parts: int, *, gate: Callable[[int], bool] = lambda n: True) -> None:
        self.parts, self.gate, self.sent, self.closed = parts, gate, 0, False

    def wait(self, timeout_s: float) -> TriggerEdge | None:
        if self.sent == self.parts:
            raise EndOfParts
        limit = time.monotonic() + timeout_s
        while not self.gate(self.sent + 1):
            if time.monotonic() > limit:
                return None
            time.sleep(0.001)
        self.sent += 1
        return TriggerEdge(self.sent, CLOCK.now_ns())

    def close(self) -> None:
        self.closed = True


class ScriptedCamera:
    """A camera that returns a correct Frame, unless the script changes it for that part."""

    def __init__(self, script: dict[int, Callable[[Frame], Frame]] | None = None) -> None:
        self.script, self.closed, self.seen = script or {}, False, []

    def capture(self, part_id: int, sequence: int, triggered_ns: int) -> Frame:
        self.seen.append(part_id)
        frame = Frame(part_id, sequence, triggered_ns, CLOCK.now_ns(), PIXELS)
        return self.script.get(part_id, lambda f: f)(frame)

    def close(self) -> None:
        self.closed = True


class ScriptedInspector:
    def __init__(self, script: dict[int, Callable[[], Decision]] | None = None) -> None:
        self.script, self.seen = script or {}, []

    def inspect(self, frame: Frame) -> Verdict:
        self.seen.append(frame.part_id)
        decision = self.script.get(frame.part_id, lambda: P)()
        return Verdict(frame.part_id, decision, "scripted", (), 1.0, Timings(1, 2, 3, 4, 5))


class RecordedRejector:
    def __init__(self, *, starts: bool = True) -> None:
        self.restarts, self.orders, self.starts, self.report = 0, [], starts, None
        self.refused: tuple[int, ...] = ()

    def start(self, on_actuated):
        if not self.starts:
            raise DeviceError("rejector: cannot be started: scripted")
        self.report = on_actuated

    def announce(self, part_id, due_ns):
        self.orders.append(("announce", part_id))

    def sighted(self, part_id, seen_ns):
        self.orders.append(("sighted", part_id))
        if part_id in self.refused:  # faster than the station can open the part
            self.report(Actuated(part_id, seen_ns, seen_ns, 0, Action.NO_PART, Cause.BACKWARD))

    def resolve(self, part_id, eject):
        self.orders.append(("resolve", part_id, eject))

    def ping(self) -> int:
        return CLOCK.now_ns()

    def abandon(self, timeout_s):
        self.orders.append(("abandon",))

    def close(self, timeout_s):
        self.orders.append(("close",))


class RecordedJournal:
    def __init__(self) -> None:
        self.events, self.closed, self.refusals = [], False, 0

    def append(self, events: Sequence) -> None:
        assert not self.closed
        if self.refusals:
            self.refusals -= 1
            raise JournalError("disk full, scripted")
        self.events += events

    def close(self) -> None:
        self.closed = True

    def decisions(self) -> list[tuple[int, Decision, str]]:
        parts = [event for event in self.events if event.type == "outfeed.part/1"]
        return sorted((event.part_id, event.decision, event.reason) for event in parts)


class StationHarness:
    """A station with scripted parts, and what they saw."""

    def __init__(
        self,
        parts: int,
        *,
        camera=None,
        inspector=None,
        trigger=None,
        rejector=None,
        timing=TIMING,
        limits=StageLimits(),  # noqa: B008
        first_part_id: int = 1,
        on_actuated=lambda report: None,
        **services,
    ) -> None:
        """services: pictures, monitor and notifier."""
        self.trigger = trigger or ScriptedTrigger(parts, gate=self._one_by_one)
        self.camera = ScriptedCamera(camera)
        self.inspector = ScriptedInspector(inspector)
        self.rejector = rejector or RecordedRejector()
        self.journal = RecordedJournal()
        self.verdicts: list[Verdict] = []
        self.on_verdict = self.verdicts.append  # a test may replace it
        self.station = Station(
            StationSettings("s1", "b1", timing, limits=limits),
            StationDevices(self.trigger, self.camera, self.rejector, CLOCK),
            StationServices(self.inspector, self.journal, **services),
            history=RunHistory(first_part_id),
            listeners=StationListeners(self._notify, on_actuated),
        )

    def _notify(self, verdict: Verdict) -> None:
        self.on_verdict(verdict)

    def _one_by_one(self, number: int) -> bool:
        """The next part comes when the one before has its verdict."""
        return len(self.verdicts) >= number - 1

    def run(self):
        summary = self.station.run()
        alive = {thread.name for thread in threading.enumerate()}
        assert not alive & {"trigger", "camera", "inspector", "deadline", "journal"}
        assert self.trigger.closed
        assert self.camera.closed
        assert self.journal.closed
        return summary


def raises(error: Exception) -> Callable[..., None]:
    def do(*_: object) -> None:
        raise error

    return do


def wait_for_threads() -> None:
    """Until no thread of a station is left."""
    limit = time.monotonic() + 60
    names = {"trigger", "camera", "inspector", "deadline", "journal"}
    while names & {thread.name for thread in threading.enumerate()}:
        assert time.monotonic() < limit
        time.sleep(0.01)
