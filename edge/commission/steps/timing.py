"""Step timing: how punctual a kick is while the chain runs, and how long the chain takes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.clock import Clock
from edge.commission.context import CommissionContext
from edge.commission.quantile import LEAST_FOR_P999, upper_bound
from edge.commission.result import Figure, StepResult, judged, skipped
from edge.commission.single_pulses import alone
from edge.commission.spacing import MARGIN
from edge.errors import DeviceError
from edge.images import decode_image
from edge.line.outcome import Action
from edge.records import Frame
from edge.rejector.client import RejectorClient
from edge.rejector.messages import Actuated
from edge.station import PartInspector

_PULSE_US = 1_000
_GAP_NS = 3_000_000  # longer than the pulse: each kick is an edge of its own
_BLOCK = 100  # kicks announced at a time
_LEAD_NS = 100_000_000  # orders are given ahead, as on a belt
_WARM_UP = 20
_WAIT_S = 30.0
_END_S = 5.0


@dataclass(frozen=True, slots=True)
class Timed:
    """What was measured. late_us: start of each pulse minus its due time, of a missed one the time
    at which the rejector looked; inspect_us: the chain per frame, meanwhile and alone."""

    late_us: tuple[float, ...]
    missed: int
    inspect_us: tuple[float, ...]
    realtime: bool
    locked: bool


def run_timing(bench: CommissionContext) -> StepResult:
    """Blocks for some 3 ms a kick, and until there are inspections enough. A real output is driven
    all the time, so a person, or --yes, must have agreed to that."""
    config = bench.config
    if config.output.kind != "simulated" and not bench.person.confirm(
        f"The output will switch {bench.settings.kicks} times, 1 ms each: shut the ejector's air, "
        "or unplug it. Is that done?"
    ):
        return skipped("timing", "the output may not be switched: shut the air, then --yes")
    frames = [
        decode_image(bench.bundle.files[golden.file], name=golden.file)
        for golden in bench.bundle.manifest.golden
    ]
    options = alone(bench.devices.rejector_options(None), pulse_us=_PULSE_US)
    client = bench.devices.rejector(replace(options, counts=None))
    chain = ChainLoad(bench.inspector, frames, bench.clock)
    try:
        timed = measure(
            client, chain, bench.clock, bench.settings.kicks, bench.settings.inspections
        )
    except DeviceError as error:
        return judged("timing", (), faults=(str(error),))
    return judge_timing(bench, timed)


def judge_timing(bench: CommissionContext, timed: Timed) -> StepResult:
    """Half of the configured pulse must be left to a kick at p99.9, and a verdict must be there
    within the budget: 1.2 times the longest capture (of step parts) plus the chain's p99.9."""
    line = bench.config.line
    late = upper_bound(timed.late_us)
    chain = upper_bound(timed.inspect_us)
    figures = [
        Figure(name="kicks", value=len(timed.late_us)),
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
            f"too few for p99.9: {len(timed.late_us)} kicks and {len(timed.inspect_us)} "
            f"inspections, {LEAST_FOR_P999} of each are needed"
        )
    if late is not None:
        figures.append(
            Figure(name="late p99.9 bound", value=late / 1e3, unit="ms", high=line.pulse_ms / 2)
        )
    if chain is not None:
        capture_ms = bench.figure("parts", "capture max")
        if capture_ms is None:
            notes.append("without the time of a frame: step parts measures it")
        verdict_ms = MARGIN * ((capture_ms or 0.0) + chain / 1e3)
        figures.append(Figure(name="inspect p99.9 bound", value=chain / 1e3, unit="ms"))
        figures.append(
            Figure(name="verdict bound", value=verdict_ms, unit="ms", high=line.budget_ms)
        )
    if not timed.realtime:
        notes.append("no real-time priority was granted (LimitRTPRIO): kicks may be ms late")
    if not timed.locked:
        notes.append("memory was not locked (LimitMEMLOCK)")
    if timed.missed:
        notes.append(f"{timed.missed} test kicks of 1 ms were missed")
    if bench.config.encoder is not None:
        notes.append(
            "kicks by time: with an encoder a kick is also late by up to one of its counts"
        )
    return judged(
        "timing",
        figures,
        faults=faults,
        good="kicks and verdicts in time at p99.9, with 95 % confidence",
        notes=notes,
    )


class ChainLoad:
    """Inspects frames without pause on a thread "commission-chain", and times each."""

    def __init__(
        self, inspector: PartInspector, frames: Sequence[NDArray[np.uint8]], clock: Clock
    ) -> None:
        self.took_us: list[float] = []
        self._inspector = inspector
        self._frames = frames
        self._clock = clock
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="commission-chain", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self, inspections: int) -> None:
        """Until there are so many, then end. Raises what the chain raised."""
        while len(self.took_us) < inspections and self._thread.is_alive():
            self._thread.join(0.05)
        self.close()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """May be called twice."""
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
                    self.took_us.append((self._clock.now_ns() - began_ns) / 1e3)
                number += 1
        except Exception as error:  # noqa: BLE001 - raised again by wait, on the main thread
            self._error = error


def measure(
    client: RejectorClient, chain: ChainLoad, clock: Clock, kicks: int, inspections: int
) -> Timed:
    """Kicks in blocks, ahead of time, while the chain runs. Raises DeviceError."""
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
        while part < kicks:
            block = range(part + 1, min(kicks, part + _BLOCK) + 1)
            first_ns = clock.now_ns() + _LEAD_NS
            for number, part in enumerate(block):
                client.announce(part, first_ns + number * _GAP_NS)
                client.resolve(part, True)
            for _ in block:
                if not done.acquire(timeout=_WAIT_S):
                    raise DeviceError("the rejector does not say what became of its kicks")
        chain.wait(inspections)
    finally:
        chain.close()
        client.close(_END_S)
    return Timed(tuple(late_us), missed, tuple(chain.took_us), ready.realtime, ready.locked)


def _at(values_us: Sequence[float], share: float) -> float:
    """A percentile in milliseconds, rounded up to a value that was seen; 0 of nothing."""
    if not values_us:
        return 0.0
    return float(np.percentile(values_us, share, method="higher")) / 1e3
