"""The schedule of self-tests: golden frames through the live chain, between parts."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from logging import getLogger
from threading import Lock
from typing import Protocol

from edge.clock import Clock
from edge.records import Decision, Verdict
from edge.station.part_guard import attempt

_log = getLogger(__name__)

_REMEMBERED = 4096  # the latest parts that can be marked as a self-test
_RECENT = 16  # runs; the longest of them is the expected duration of the next one
_RETRY_NS = 1_000_000_000  # after a moment with too little time
_STARVED = 3  # intervals without a self-test after which a warning is logged
_NO_PART = 0


class SelfTest(Protocol):
    """Golden frames for the chain. ``edge.chain.self_test`` implements it."""

    count: int

    @property
    def upcoming(self) -> str:
        """Return the name of the next golden frame."""
        ...

    @property
    def shows_defect(self) -> bool:
        """Return whether the next golden frame has a defect."""
        ...

    def prove(self) -> str | None:
        """Inspect the next golden frame.

        Return the first difference from the expected result, or None. Raises OutfeedError.
        """
        ...


OnSelfTest = Callable[[str, str | None, int, int], None]
"""Called after each self-test. Arguments: the golden frame's name or "part N"; the difference, or
None; the first part since a defect was last reproduced; the last part with a verdict."""


class SelfTestSchedule:
    """Runs self-tests on the thread of the chain that inspects parts, and on no other thread.

    A self-test runs only while no part is under way. A part may arrive the moment after it began.
    So the longest of the last self-tests and the usual time to a verdict must fit into the budget
    together. Where they never do, a warning is logged. A self-test that hangs is a hang of the
    inspector's stage: the watchdog ends the process.
    """

    def __init__(
        self,
        self_test: SelfTest | None,
        *,
        every_ns: int,
        clock: Clock,
        on_result: OnSelfTest,
    ) -> None:
        """every_ns: the interval; 0: self-tests run at the start only."""
        self.failure: str | None = None
        """The first failed self-test of this run and its difference; None: none failed."""
        self.reproduced = self.failed = 0
        self._self_test = self_test
        self._every_ns = every_ns
        self._clock = clock
        self._on_result = on_result
        self._durations_ns: deque[int] = deque(maxlen=_RECENT)
        self._next_ns = self._last_ns = clock.now_ns()
        self._since = 1  # the first part since a golden frame with a defect was reproduced
        self._is_starved = False
        self._decisions: OrderedDict[int, Decision] = OrderedDict()
        self._lock = Lock()  # marks arrive on another thread

    @property
    def is_starved(self) -> bool:
        """Return whether there was no time for a self-test for three intervals."""
        return self._is_starved

    def begin(self, first_part: int) -> None:
        """Run the first self-tests, before the first part: one with a defect and one without.

        They also measure how long a self-test takes. Blocks for two inspections.
        """
        self._since = first_part
        for _ in range(min(2, self._self_test.count if self._self_test else 0)):
            self._run(first_part - 1)

    def is_due(self) -> bool:
        """Return whether the interval has passed. Takes no measurable time."""
        if self._self_test is None or not self._every_ns or self.failure is not None:
            return False
        return self._clock.now_ns() >= self._next_ns

    def run(self, available_ns: int, last_part: int) -> bool:
        """Run one self-test if it fits into available_ns, and return whether it ran.

        last_part: the last part with a verdict. Blocks for one inspection.
        """
        longest_ns = max(self._durations_ns, default=0)
        now_ns = self._clock.now_ns()
        if longest_ns > available_ns:
            self._next_ns = now_ns + min(_RETRY_NS, self._every_ns)
            if not self._is_starved and now_ns - self._last_ns > _STARVED * self._every_ns:
                self._is_starved = True
                _log.warning(
                    "self_test_starved longest_ms=%.1f available_ms=%.1f",
                    longest_ns / 1e6,
                    available_ns / 1e6,
                )
            return False
        self._run(last_part)
        return True

    def record_verdict(self, verdict: Verdict) -> None:
        """Remember the final verdict on a part. Any thread."""
        with self._lock:
            self._decisions[verdict.part_id] = verdict.decision
            if len(self._decisions) > _REMEMBERED:
                self._decisions.popitem(last=False)

    def record_bad_part(self, part_id: int) -> None:
        """Evaluate a known defective part that a person put on the belt and marked. Any thread."""
        with self._lock:
            decision = self._decisions.get(part_id)
        if decision is None or decision is Decision.UNKNOWN:
            reason = "its verdict is not remembered" if decision is None else "it has no verdict"
            _log.warning("self_test_part_ignored part=%s: %s", part_id, reason)
            return
        fault = None if decision is Decision.REJECT else "a known defective part passed"
        self._record(f"part {part_id}", fault, min(self._since, part_id), part_id)

    def _run(self, last_part: int) -> None:
        assert self._self_test is not None
        name, shows_defect = self._self_test.upcoming, self._self_test.shows_defect
        began_ns = self._clock.now_ns()
        result = attempt(_NO_PART, self._self_test.prove)
        self._last_ns = self._clock.now_ns()
        self._durations_ns.append(self._last_ns - began_ns)
        self._next_ns = self._last_ns + self._every_ns
        self._is_starved = False
        fault = result.reason if isinstance(result, Verdict) else result
        self._record(name, fault, self._since, last_part, shows_defect=shows_defect)

    def _record(
        self, name: str, fault: str | None, since: int, last_part: int, *, shows_defect: bool = True
    ) -> None:
        with self._lock:
            if fault is None:
                self.reproduced += 1
                if shows_defect:
                    self._since = max(self._since, last_part + 1)
            else:
                self.failed += 1
                self.failure = self.failure or f"{name}: {fault}"
        if fault is not None:
            _log.error("self_test_failed subject=%s reason=%s", name, fault)
        self._on_result(name, fault, since, last_part)
