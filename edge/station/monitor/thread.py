"""The monitor of a station: the thread that measures drift, and the results of self-tests."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from logging import getLogger
from pathlib import Path
from typing import Literal

from edge.clock import Clock, utc_now
from edge.drift import Alarm
from edge.events.condition import drift_event, self_test_event
from edge.records import Frame, Verdict
from edge.station.collaborators import PutEvent
from edge.station.monitor.drift import DriftDetector
from edge.station.monitor.self_test import SelfTest, SelfTestSchedule
from edge.station.monitor.self_test_state import SelfTestState, write_self_test
from edge.station.part_guard import attempt

_log = getLogger(__name__)

_WAIT_S = 0.25
_TEXT_CHARS = 400
_QUEUED_STATES = 4

OnTrouble = Literal["report", "unknown"]


@dataclass(frozen=True, slots=True)
class MonitorRules:
    """The rules of a monitor."""

    every: int = 5
    """One inspected part in this many is measured for drift."""

    on_drift: OnTrouble = "report"
    """The treatment of good parts during a severe drift."""

    on_self_test_failure: OnTrouble = "unknown"
    """The treatment of good parts after a failed self-test."""

    self_test_interval_ns: int = 600_000_000_000


class Monitor:
    """Measures drift, schedules self-tests, and decides whether parts may pass.

    Synchronization: ``record_inspection``, ``record_verdict``, ``doubt`` and ``is_self_test_due``
    are for the station's threads and never wait. ``run_self_test`` runs on the inspector's thread.
    The thread ``monitor`` measures frames after their verdict and writes to the disk. No other
    thread waits for it. It has no heartbeat, and a disk that hangs stops this thread only.

    The thread has the same nice value as the others. It computes for a millisecond and partly holds
    the interpreter's lock. A thread with a lower priority that waits there stalls all threads. On a
    fully loaded machine the longest inspection was 66 ms with nice 10, and 14 ms without.

    Overflow rule: a frame that finds another one waiting is not measured, and is counted.
    """

    def __init__(
        self,
        *,
        station_id: str,
        bundle_id: str,
        drifting: DriftDetector | None,
        self_test: SelfTest | None,
        rules: MonitorRules,
        self_test_path: Path,
        clock: Clock,
    ) -> None:
        """drifting: None: drift is not measured. self_test: None: no golden frames are run."""
        self._station_id, self._bundle_id = station_id, bundle_id
        self._drifting = drifting
        self._rules = rules
        self._path = self_test_path
        self._schedule = SelfTestSchedule(
            self_test,
            every_ns=rules.self_test_interval_ns,
            clock=clock,
            on_result=self._report_self_test,
        )
        self._on_event: PutEvent | None = None
        self._inspections = 0
        self._waiting: tuple[Frame, Verdict] | None = None
        self._states: deque[SelfTestState] = deque(maxlen=_QUEUED_STATES)
        self._was_starved = False
        self._counts: Counter[str] = Counter()
        self._doubt: str | None = None
        self._closing = self._is_refused = False
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def start(self, on_event: PutEvent, first_part: int) -> None:
        """Run the first self-tests on the caller's thread, then start the thread.

        To be called before the first part. on_event: takes an event for the journal, from any
        thread, and never waits.
        """
        self._on_event = on_event
        self._schedule.begin(first_part)
        self._thread.start()

    def record_inspection(self, frame: Frame, verdict: Verdict) -> None:
        """Take a frame and the chain's verdict on it, which is on its way to the rejector."""
        self._inspections += 1
        if self._drifting is None or self._inspections % self._rules.every:
            return
        with self._condition:
            if self._waiting is not None or self._closing:
                self._counts["too busy"] += 1
                return
            self._waiting = (frame, verdict)
            self._condition.notify()

    def record_verdict(self, verdict: Verdict) -> None:
        """Take the final verdict on a part. Any thread."""
        self._schedule.record_verdict(verdict)

    def record_bad_part(self, part_id: int) -> None:
        """Take a person's mark that this part was a known defective one. Any thread."""
        self._schedule.record_bad_part(part_id)

    def doubt(self) -> str | None:
        """Return the reason why no part may pass now; None: parts may pass."""
        if self._schedule.failure is not None and self._rules.on_self_test_failure == "unknown":
            return f"self-test failed, {self._schedule.failure}"
        return self._doubt

    def is_self_test_due(self) -> bool:
        """Return whether the next self-test is due."""
        return self._schedule.is_due()

    def run_self_test(self, available_ns: int, last_part: int) -> bool:
        """Run a self-test on the inspector's thread if it fits the time; return whether it ran."""
        has_run = self._schedule.run(available_ns, last_part)
        if self._schedule.is_starved and not self._was_starved:
            self._queue_state("", "", is_starved=True)
        self._was_starved = self._schedule.is_starved
        return has_run

    @property
    def status(self) -> str:
        """Return the fault for the status line; empty where there is none."""
        if self._schedule.failure is not None:
            return f"SELF-TEST FAILED, {self._schedule.failure}"
        active = self._drifting.active if self._drifting is not None else {}
        return f"drift of {', '.join(sorted(active))}" if active else ""

    @property
    def counts(self) -> Mapping[str, int]:
        """Return the numbers of measured and skipped parts, drifts and self-tests, by name."""
        with self._condition:
            counts = dict(self._counts)
        for name, count in (
            ("self-tests", self._schedule.reproduced + self._schedule.failed),
            ("self-tests failed", self._schedule.failed),
        ):
            if count:
                counts[name] = count
        return counts

    def close(self, timeout_s: float) -> None:
        """End the thread within timeout_s. A frame that waits is not measured any more."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                _log.warning("monitor_given_up")

    def _run(self) -> None:
        if self._drifting is not None:
            self._drifting.load()
        while True:
            with self._condition:
                if self._waiting is None and not self._states and not self._closing:
                    self._condition.wait(_WAIT_S)
                item, self._waiting = None if self._closing else self._waiting, None
                state = self._states.popleft() if self._states else None
                closing = self._closing
            if state is not None:
                self._write(state)
            elif closing:
                return
            if item is not None:
                self._measure(*item)

    def _measure(self, frame: Frame, verdict: Verdict) -> None:
        assert self._drifting is not None
        alarms = attempt(frame.part_id, partial(self._drifting.measure, frame, verdict))
        if isinstance(alarms, Verdict):  # a bug, which is in the log
            alarms = []
        if alarms and self._rules.on_drift == "unknown":
            severe = [one for one in self._drifting.active.values() if one.grade == "severe"]
            self._doubt = f"drift of {severe[0]}"[:_TEXT_CHARS] if severe else None
        for alarm in alarms:
            self._report_drift(alarm)
        with self._condition:
            self._counts["measured"] += 1
            for alarm in alarms:
                if alarm.raised:
                    self._counts[f"drift of {alarm.measure}"] += 1

    def _report_drift(self, alarm: Alarm) -> None:
        assert self._on_event is not None
        self._on_event(
            drift_event(
                self._station_id,
                self._bundle_id,
                state="raised" if alarm.raised else "cleared",
                severity=alarm.grade,
                measure=alarm.measure,
                stream=alarm.stream,
                unit=alarm.unit,
                value=alarm.value,
                expected=alarm.expected,
                since_part=alarm.since_part,
                part_id=alarm.part,
                place=alarm.place,
            )
        )

    def _report_self_test(self, subject: str, fault: str | None, since: int, part_id: int) -> None:
        """Journal the result, on the thread that ran the self-test."""
        assert self._on_event is not None
        self._on_event(
            self_test_event(
                self._station_id,
                self._bundle_id,
                subject=subject,
                fault=fault,
                since_part=since,
                part_id=part_id,
            )
        )
        # The state of the first failure stays.
        if fault is not None or self._schedule.failure is None:
            self._queue_state(subject, fault or "", is_starved=False)

    def _queue_state(self, subject: str, reason: str, *, is_starved: bool) -> None:
        """Queue the state for the file that ``outfeed doctor`` reads."""
        state = SelfTestState(
            utc=utc_now(),
            bundle=self._bundle_id,
            subject=subject[:_TEXT_CHARS],
            reason=reason[:_TEXT_CHARS],
            is_starved=is_starved,
        )
        with self._condition:
            self._states.append(state)
            self._condition.notify()

    def _write(self, state: SelfTestState) -> None:
        try:
            write_self_test(self._path, state)
        except OSError as error:
            if not self._is_refused:
                _log.error("self_test_not_stored file=%s reason=%s", self._path, error.strerror)
            self._is_refused = True
        else:
            self._is_refused = False
