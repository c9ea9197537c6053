"""Step parts: good parts through photo-eye, camera and chain; nothing is kicked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import pairwise

from edge.clock import Clock
from edge.commission.context import CommissionContext
from edge.commission.quantile import rule_of_three
from edge.commission.result import Figure, StepResult, judged, skipped
from edge.devices.trigger import Trigger, TriggerEdge
from edge.errors import DeviceError, MustEndError
from edge.events.event import Event
from edge.line.part import LineTiming
from edge.records import Decision, Verdict
from edge.rejector.messages import Actuated, Counted
from edge.station import (
    Station,
    StationDevices,
    StationListeners,
    StationServices,
    StationSettings,
    Summary,
)

_TURN_S = 0.1


def run_parts(bench: CommissionContext) -> StepResult:
    """Runs a station whose rejector is nobody and whose journal forgets, until enough parts have
    their verdict or none has come for wait_s. Blocks. Raises MustEndError."""
    wanted = bench.settings.parts
    asked = f"Let {wanted} good parts run, and only good ones; press Enter to begin"
    if bench.person.there and not bench.person.confirm(asked):
        return skipped("parts", "no parts were let run")
    try:
        trigger = EdgeLog(bench.devices.trigger())
        verdicts: list[Verdict] = []
        heard = threading.Event()

        def judge(verdict: Verdict) -> None:
            verdicts.append(verdict)
            heard.set()
            if len(verdicts) >= wanted:
                station.stop()

        line = bench.config.line
        station = Station(
            StationSettings(
                bench.config.id,
                bench.bundle.id,
                LineTiming(line.travel_ns, line.budget_ns, line.debounce_ns),
                bench.devices.freshness,
            ),
            StationDevices(trigger, bench.devices.camera(), NoRejector(bench.clock), bench.clock),
            StationServices(bench.inspector, NoJournal()),
            listeners=StationListeners(judge),
        )
        summary = _until_quiet(station, heard, bench.settings.wait_s)
    except MustEndError:
        raise
    except DeviceError as error:
        return judged("parts", (), faults=(str(error),))
    return judge_parts(bench, verdicts[:wanted], summary, trigger.stamps)


def judge_parts(
    bench: CommissionContext, verdicts: Sequence[Verdict], summary: Summary, stamps: Sequence[int]
) -> StepResult:
    """stamps: the photo-eye's edges, nanoseconds. Every part was good."""
    wanted, allowed = bench.settings.parts, bench.settings.false_rejects
    threshold = bench.bundle.manifest.chain.threshold
    rejected = [one for one in verdicts if one.decision is Decision.REJECT]
    unknown = [one for one in verdicts if one.decision is Decision.UNKNOWN]
    seen = [one.peak_severity for one in verdicts if one.decision is not Decision.UNKNOWN]
    top = max(seen, default=0.0)
    faults = []
    if len(verdicts) < wanted:
        faults.append(f"{len(verdicts)} parts came, {wanted} were wanted")
    faults += sorted({f"false reject: {one.reason}" for one in rejected[allowed:]})[:3]
    faults += sorted({f"unknown: {one.reason}" for one in unknown})[:3]
    figures = [
        Figure(name="parts", value=len(verdicts)),
        Figure(name="false rejects", value=len(rejected), high=allowed),
        Figure(name="unknown", value=len(unknown), high=0),
        Figure(name="top severity", value=top),
        Figure(name="margin to T", value=100 * (1 - top / threshold), unit="%"),
        Figure(name="parts above T", value=sum(severity >= threshold for severity in seen)),
    ]
    for stage in ("capture", "inspect", "verdict"):
        if (times := summary.stages.get(stage)) is not None:
            high = bench.config.line.budget_ms if stage == "verdict" else None
            figures.append(Figure(name=f"{stage} p50", value=times.p50_us / 1e3, unit="ms"))
            figures.append(
                Figure(name=f"{stage} max", value=times.max_us / 1e3, unit="ms", high=high)
            )
    gaps = [after - before for before, after in pairwise(stamps)]
    real = [gap for gap in gaps if gap >= max(1, bench.config.line.debounce_ns)]
    if real:
        figures.append(Figure(name="least gap", value=min(real) / 1e6, unit="ms"))
    notes = [f"{count} {reason}" for reason, count in summary.refused.items() if count]
    sound = sum(one.peak_severity >= threshold for one in verdicts if one.decision is Decision.PASS)
    if sound:
        notes.append(
            f"on {sound} of {len(verdicts)} good parts something passed T, and was taken for sound "
            "surface or is within the rules: little margin"
        )
    if not rejected and not unknown and verdicts:
        share = 100 * rule_of_three(len(verdicts))
        notes.append(
            f"none of {len(verdicts)} good parts was rejected: with 95 % confidence at most "
            f"{share:.3g} % are (3 / n); 300 parts would say 1 %"
        )
    return judged(
        "parts",
        figures,
        faults=faults,
        good=f"{len(verdicts)} good parts, {len(rejected)} rejected, none unknown",
        notes=notes,
    )


class EdgeLog:
    """A Trigger that remembers its edges."""

    def __init__(self, trigger: Trigger) -> None:
        self.stamps: list[int] = []
        self._trigger = trigger

    def wait(self, timeout_s: float) -> TriggerEdge | None:
        edge = self._trigger.wait(timeout_s)
        if edge is not None:
            self.stamps.append(edge.at_ns)
        return edge

    def close(self) -> None:
        self._trigger.close()


class NoRejector:
    """Owns no output: whatever is ordered, nothing is kicked."""

    restarts = 0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def start(self, on_actuated: Callable[[Actuated], None]) -> object:
        return None

    def announce(self, part_id: int, due_ns: int) -> None: ...

    def sighted(self, part_id: int, seen_ns: int) -> None: ...

    def resolve(self, part_id: int, kick: bool) -> None: ...

    def ping(self) -> int:
        return self._clock.now_ns()

    def abandon(self, timeout_s: float) -> None: ...

    def close(self, timeout_s: float) -> Counted | None:
        return None


class NoJournal:
    """Takes every event and keeps none: these parts are nobody's production."""

    def append(self, events: Sequence[Event], /) -> object:
        return None

    def close(self) -> None: ...


def _until_quiet(station: Station, heard: threading.Event, wait_s: float) -> Summary:
    """Run the station; stop it when nothing was heard for wait_s."""
    over = threading.Event()

    def patience() -> None:
        left_s = wait_s
        while not over.wait(_TURN_S):
            left_s = wait_s if heard.is_set() else left_s - _TURN_S
            heard.clear()
            if left_s <= 0:
                station.stop()
                return

    thread = threading.Thread(target=patience, name="commission-patience", daemon=True)
    thread.start()
    try:
        return station.run()
    finally:
        over.set()
        thread.join(wait_s)
