"""Step timing: the delay of ejector pulses while the chain runs, and the time of the chain."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.clock import Clock
from edge.commission.context import CommissionContext
from edge.commission.quantile import LEAST_FOR_P999, upper_bound
from edge.commission.result import Figure, StepResult, judge_figures, skipped_step
from edge.commission.single_pulses import single_pulse_options
from edge.commission.spacing import MARGIN
from edge.errors import DeviceError
from edge.images import decode_image
from edge.line.outcome import Action
from edge.records import Frame
from edge.rejector.client import RejectorClient
from edge.rejector.messages import Actuated
from edge.station import PartInspector

_PULSE_US = 1_000
_GAP_NS = 3_000_000  # longer than the pulse, so that each test pulse has its own edge
_BLOCK = 100  # test pulses announced at a time
_LEAD_NS = 100_000_000  # orders are given ahead of time, as on a belt
_WARM_UP = 20
_WAIT_S = 30.0
_END_S = 5.0


@dataclass(frozen=True, slots=True)
class Timed:
    """The measured times.

    late_us: start of each pulse minus its due time; for a missed pulse, the time at which the
    rejector noticed. inspect_us: time of the chain per frame. realtime, locked: the rejector
    received real-time priority, and its memory is locked.
    """

    late_us: tuple[float, ...]
    missed: int
    inspect_us: tuple[float, ...]
    realtime: bool
    locked: bool


def run_timing(context: CommissionContext) -> StepResult:
    """Time test pulses and inspections at the same time.

    Blocks for about 3 ms per pulse, and until there are enough inspections. It switches a real
    output all the time, so the operator, or --yes, must agree first.
    """
    config = context.config
    if config.output.kind != "simulated" and not context.operator.confirm(
        f"The output will switch {context.settings.pulses} times, 1 ms each. Shut the air of "
        "the ejector, or unplug it. Is that done?"
    ):
        return skipped_step(
            "timing",
            "the operator did not allow it to switch the output: shut the air, then use --yes",
        )
    frames = [
        decode_image(context.bundle.files[golden.file], name=golden.file)
        for golden in context.bundle.manifest.golden
    ]
    options = single_pulse_options(context.devices.rejector_options(None), pulse_us=_PULSE_US)
    client = context.devices.rejector(replace(options, counts=None))
    chain = ChainLoad(context.inspector, frames, context.clock)
    try:
        timed = measure(
            client, chain, context.clock, context.settings.pulses, context.settings.inspections
        )
    except DeviceError as error:
        return judge_figures("timing", (), faults=(str(error),))
    return judge_timing(context, timed)


def judge_timing(context: CommissionContext, timed: Timed) -> StepResult:
    """Compare the measured times with the limits.

    At p99.9 a pulse may begin late by at most half of the configured pulse. The verdict must be
    ready within the budget: 1.2 times (the longest capture of step parts plus the p99.9 of the
    chain).
    """
    line = context.config.line
    late = upper_bound(timed.late_us)
    chain = upper_bound(timed.inspect_us)
    figures = [
        Figure(name="test pulses", value=len(timed.late_us)),
        Figure(name="late p50", value=_at(timed.late_us, 50), unit="ms"),
        Figure(name="late p99", value=_at(timed.late_us, 99), unit="ms"),
        Figure(name="late p99.9", value=_at(timed.late_us, 99.9), unit="ms"),
        Figure(name="late max", value=_at(timed.late_us, 100), unit="ms"),
        Figure(name="inspections", value=len(timed.inspect_us)),
        Figure(name="inspect p50", value=_at(timed.inspect_us, 50), unit="ms"),
        Figure(name="inspect p99.9", value=_at(timed.inspect_us, 99.9), unit="ms"),
        Figure(name="inspect max", value=_at(timed.inspect_us, 100), unit="ms"),
    ]
    faults, notes = [], []
    if late is None or chain is None:
        faults.append(
            f"too few for p99.9: {len(timed.late_us)} test pulses and {len(timed.inspect_us)} "
            f"inspections; {LEAST_FOR_P999} of each are needed"
        )
    if late is not None:
        figures.append(
            Figure(name="late p99.9 bound", value=late / 1e3, unit="ms", high=line.pulse_ms / 2)
        )
    if chain is not None:
        capture_ms = context.figure("parts", "capture max")
        if capture_ms is None:
            notes.append("the time of a frame is not included: step parts measures it")
        verdict_ms = MARGIN * ((capture_ms or 0.0) + chain / 1e3)
        figures.append(Figure(name="inspect p99.9 bound", value=chain / 1e3, unit="ms"))
        figures.append(
            Figure(name="verdict bound", value=verdict_ms, unit="ms", high=line.budget_ms)
        )
    if not timed.realtime:
        notes.append(
            "no real-time priority was granted (LimitRTPRIO): pulses may be late by milliseconds"
        )
    if not timed.locked:
        notes.append("memory was not locked (LimitMEMLOCK)")
    if timed.missed:
        notes.append(f"{timed.missed} test pulses of 1 ms were missed")
    if context.config.encoder is not None:
        notes.append("measured by time: with an encoder a pulse is also late by up to one count")
    return judge_figures(
        "timing",
        figures,
        faults=faults,
        good="pulses and verdicts are in time at p99.9, with 95 % confidence",
        notes=notes,
    )


class ChainLoad:
    """Continuous inspection of frames on the thread "commission-chain", with the time of each."""

    def __init__(
        self, inspector: PartInspector, frames: Sequence[NDArray[np.uint8]], clock: Clock
    ) -> None:
        self.durations_us: list[float] = []
        self._inspector = inspector
        self._frames = frames
        self._clock = clock
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="commission-chain", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self, inspections: int) -> None:
        """Wait for this number of inspections, then end. Raises the error of the chain."""
        while len(self.durations_us) < inspections and self._thread.is_alive():
            self._thread.join(0.05)
        self.close()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the thread. May be called twice."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_WAIT_S)

    def _run(self) -> None:
        number = 0
        try:
            while not self._stop.is_set():
                frame = Frame(number, number, 0, 0, self._frames[number % len(self._frames)])
                began_ns = self._clock.now_ns()
                self._inspector.inspect(frame)
                if number >= _WARM_UP:
                    self.durations_us.append((self._clock.now_ns() - began_ns) / 1e3)
                number += 1
        except Exception as error:  # noqa: BLE001 - raised again by wait, on the main thread
            self._error = error


def measure(
    client: RejectorClient, chain: ChainLoad, clock: Clock, test_pulses: int, inspections: int
) -> Timed:
    """Order test pulses in blocks, ahead of time, while the chain runs. Raises DeviceError."""
    late_us: list[float] = []
    missed = 0
    done = threading.Semaphore(0)

    def report(actuated: Actuated) -> None:
        nonlocal missed
        missed += actuated.action is not Action.EJECTED
        late_us.append((actuated.at_ns - actuated.due_ns) / 1e3)
        done.release()

    ready = client.start(report)
    try:
        chain.start()
        part = 0
        while part < test_pulses:
            block = range(part + 1, min(test_pulses, part + _BLOCK) + 1)
            first_ns = clock.now_ns() + _LEAD_NS
            for number, part in enumerate(block):
                client.announce(part, first_ns + number * _GAP_NS)
                client.resolve(part, True)
            for _ in block:
                if not done.acquire(timeout=_WAIT_S):
                    raise DeviceError("the rejector does not report its test pulses")
        chain.wait(inspections)
    finally:
        chain.close()
        client.close(_END_S)
    return Timed(tuple(late_us), missed, tuple(chain.durations_us), ready.realtime, ready.locked)


def _at(values_us: Sequence[float], share: float) -> float:
    """Return a percentile in ms, rounded up to a measured value; 0 without values."""
    if not values_us:
        return 0.0
    return float(np.percentile(values_us, share, method="higher")) / 1e3
