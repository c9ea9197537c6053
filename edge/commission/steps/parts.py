"""Step parts: good parts pass photo-eye, camera and chain. Nothing is ejected."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import pairwise

from edge.bundle import ChainManifest
from edge.chain.decide import LIMIT
from edge.clock import Clock
from edge.commission.context import CommissionContext
from edge.commission.quantile import rule_of_three
from edge.commission.result import Figure, StepResult, judge_figures, skipped_step
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

_CHECK_S = 0.1


def run_parts(context: CommissionContext) -> StepResult:
    """Inspect good parts with a station that has no ejector and no journal.

    End when enough parts have a verdict, or when no verdict has come for wait_s seconds. Blocks.
    Raises MustEndError.
    """
    wanted = context.settings.parts
    question = f"Run {wanted} good parts, and only good ones. Press Enter to begin."
    if context.operator.present and not context.operator.confirm(question):
        return skipped_step("parts", "the operator declined to run parts")
    try:
        trigger = EdgeLog(context.devices.trigger())
        verdicts: list[Verdict] = []
        arrived = threading.Event()

        def judge(verdict: Verdict) -> None:
            verdicts.append(verdict)
            arrived.set()
            if len(verdicts) >= wanted:
                station.stop()

        line = context.config.line
        station = Station(
            StationSettings(
                context.config.id,
                context.bundle.id,
                LineTiming(line.travel_ns, line.budget_ns, line.debounce_ns),
                context.devices.freshness,
            ),
            StationDevices(
                trigger, context.devices.camera(), NoRejector(context.clock), context.clock
            ),
            StationServices(context.inspector, NoJournal()),
            listeners=StationListeners(judge),
        )
        summary = _run_until_quiet(station, arrived, context.settings.wait_s)
    except MustEndError:
        raise
    except DeviceError as error:
        return judge_figures("parts", (), faults=(str(error),))
    return judge_parts(context, verdicts[:wanted], summary, trigger.stamps)


def _margin(chain: ChainManifest, known: Sequence[Verdict], top: float) -> Figure:
    """Return the distance of the worst good part to the limit from which it would be rejected.

    known: the verdicts but UNKNOWN. top: the highest severity of a part.
    """
    if chain.reject_severity is None:
        return Figure(name="margin to T", value=100 * (1 - top / chain.threshold), unit="%")
    limit = chain.reject_severity if chain.part_threshold is None else LIMIT
    worst = max((one.score for one in known), default=0.0)
    return Figure(name="margin to reject severity", value=100 * (1 - worst / limit), unit="%")


def judge_parts(
    context: CommissionContext, verdicts: Sequence[Verdict], summary: Summary, stamps: Sequence[int]
) -> StepResult:
    """Compare the verdicts on good parts with the limits. stamps: edges of the photo-eye, ns."""
    wanted, allowed = context.settings.parts, context.settings.false_rejects
    chain = context.bundle.manifest.chain
    threshold = chain.threshold
    rejected = [one for one in verdicts if one.decision is Decision.REJECT]
    unknown = [one for one in verdicts if one.decision is Decision.UNKNOWN]
    known = [one for one in verdicts if one.decision is not Decision.UNKNOWN]
    severities = [one.peak_severity for one in known]
    top = max(severities, default=0.0)
    faults = []
    if len(verdicts) < wanted:
        faults.append(f"{len(verdicts)} of {wanted} parts came")
    faults += sorted({f"false reject: {one.reason}" for one in rejected[allowed:]})[:3]
    faults += sorted({f"unknown: {one.reason}" for one in unknown})[:3]
    figures = [
        Figure(name="parts", value=len(verdicts)),
        Figure(name="false rejects", value=len(rejected), high=allowed),
        Figure(name="unknown", value=len(unknown), high=0),
        Figure(name="top severity", value=top),
        _margin(chain, known, top),
        Figure(name="parts above T", value=sum(severity >= threshold for severity in severities)),
    ]
    for stage in ("capture", "inspect", "verdict"):
        if (times := summary.stages.get(stage)) is not None:
            high = context.config.line.budget_ms if stage == "verdict" else None
            figures.append(Figure(name=f"{stage} p50", value=times.p50_us / 1e3, unit="ms"))
            figures.append(
                Figure(name=f"{stage} max", value=times.max_us / 1e3, unit="ms", high=high)
            )
    gaps = [after - before for before, after in pairwise(stamps)]
    real = [gap for gap in gaps if gap >= max(1, context.config.line.debounce_ns)]
    if real:
        figures.append(Figure(name="least gap", value=min(real) / 1e6, unit="ms"))
    notes = [f"{count} {reason}" for reason, count in summary.refused.items() if count]
    sound = sum(one.peak_severity >= threshold for one in verdicts if one.decision is Decision.PASS)
    if sound and chain.reject_severity is None:
        notes.append(
            f"{sound} of {len(verdicts)} good parts have a region above the threshold T. It was "
            "classified as sound surface, or the rules allow it. The margin is small"
        )
    if not rejected and not unknown and verdicts:
        share = 100 * rule_of_three(len(verdicts))
        notes.append(
            f"none of {len(verdicts)} good parts was rejected: with 95 % confidence the rate "
            "of false "
            f"rejects is at most {share:.3g} % (3 / n); 300 parts would show at most 1 %"
        )
    return judge_figures(
        "parts",
        figures,
        faults=faults,
        good=f"{len(verdicts)} good parts, {len(rejected)} rejected, none unknown",
        notes=notes,
    )


class EdgeLog:
    """A Trigger that records the time stamps of its edges."""

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
    """A rejector without an output: it ejects nothing, whatever is ordered."""

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
    """A journal that discards every event, because these parts are not production."""

    def append(self, events: Sequence[Event], /) -> object:
        return None

    def close(self) -> None: ...


def _run_until_quiet(station: Station, arrived: threading.Event, wait_s: float) -> Summary:
    """Run the station; stop it when no verdict has come for wait_s seconds."""
    over = threading.Event()

    def stop_when_quiet() -> None:
        left_s = wait_s
        while not over.wait(_CHECK_S):
            left_s = wait_s if arrived.is_set() else left_s - _CHECK_S
            arrived.clear()
            if left_s <= 0:
                station.stop()
                return

    thread = threading.Thread(target=stop_when_quiet, name="commission-patience", daemon=True)
    thread.start()
    try:
        return station.run()
    finally:
        over.set()
        thread.join(wait_s)
