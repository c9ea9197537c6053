"""The thread that watches whether pictures drift, and who keeps what sentinels say."""

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
from edge.events.condition import drift_event, sentinel_event
from edge.records import Frame, Verdict
from edge.station.collaborators import PutEvent
from edge.station.monitor.drift import Drifting
from edge.station.monitor.self_test import Proves, SentinelWatch
from edge.station.monitor.self_test_state import SentinelState, write_sentinel
from edge.station.part_guard import attempt

_log = getLogger(__name__)

_TURN_S = 0.25
_TEXT_CHARS = 400
_QUEUED_STATES = 4

OnTrouble = Literal["report", "unknown"]


@dataclass(frozen=True, slots=True)
class MonitorRules:
    """every: one judged part in so many is measured. on_drift: what becomes of a good part while a
    severe drift lasts; on_self_test_failure: from when a sentinel was not reproduced."""

    every: int = 5
    on_drift: OnTrouble = "report"
    on_self_test_failure: OnTrouble = "unknown"
    self_test_interval_ns: int = 600_000_000_000


class Monitor:
    """What a station knows of its own sight.

    ``judged``, ``settled``, ``doubt`` and ``is_due`` are for the station's threads and never wait;
    ``prove`` runs a sentinel on the inspector's. The thread ``monitor`` measures frames after their
    verdict and writes to the disk. Nobody waits for it: it has no heartbeat, and a disk that hangs
    stops it and nothing else. It is no nicer than the others: it computes for a millisecond, partly
    with the interpreter's lock in its hand, and a nice thread that has to wait there stalls them
    all (on a full machine the longest inspection was 66 ms with nice 10, 14 ms without).

    Overflow rule: a frame that finds another one waiting is not measured, and counted.
    """

    def __init__(
        self,
        *,
        station_id: str,
        bundle_id: str,
        drifting: Drifting | None,
        sentinels: Proves | None,
        rules: MonitorRules,
        sentinel_path: Path,
        clock: Clock,
    ) -> None:
        """drifting: None measures nothing."""
        self._station_id, self._bundle_id = station_id, bundle_id
        self._drifting = drifting
        self._rules = rules
        self._path = sentinel_path
        self._sentinel = SentinelWatch(
            sentinels, every_ns=rules.self_test_interval_ns, clock=clock, told=self._proven
        )
        self._on_event: PutEvent | None = None
        self._judged = 0
        self._waiting: tuple[Frame, Verdict] | None = None
        self._states: deque[SentinelState] = deque(maxlen=_QUEUED_STATES)
        self._was_starved = False
        self._counts: Counter[str] = Counter()
        self._doubt: str | None = None
        self._closing = self._is_refused = False
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def start(self, on_event: PutEvent, first_part: int) -> None:
        """The first sentinels, on the caller's thread, before there is any part; then the thread.
        on_event: takes an event for the journal, from any thread, and never waits."""
        self._on_event = on_event
        self._sentinel.begin(first_part)
        self._thread.start()

    def judged(self, frame: Frame, verdict: Verdict) -> None:
        """The chain has judged this frame, and the verdict is on its way."""
        self._judged += 1
        if self._drifting is None or self._judged % self._rules.every:
            return
        with self._condition:
            if self._waiting is not None or self._closing:
                self._counts["too busy"] += 1
                return
            self._waiting = (frame, verdict)
            self._condition.notify()

    def settled(self, verdict: Verdict) -> None:
        """A part has its one verdict. Any thread."""
        self._sentinel.settled(verdict)

    def planted(self, part_id: int) -> None:
        """A person says that this part was a known bad one. Any thread."""
        self._sentinel.planted(part_id)

    def doubt(self) -> str | None:
        """Why nobody may call a part good now; None: nothing is wrong."""
        if self._sentinel.blind is not None and self._rules.on_self_test_failure == "unknown":
            return self._sentinel.blind
        return self._doubt

    def is_due(self) -> bool:
        """Whether a sentinel wants to run."""
        return self._sentinel.is_due()

    def prove(self, room_ns: int, last_part: int) -> bool:
        """On the inspector's thread: a sentinel, if it fits the room; whether it ran."""
        did = self._sentinel.prove(room_ns, last_part)
        if self._sentinel.is_starved and not self._was_starved:
            self._keep("", "", is_starved=True)
        self._was_starved = self._sentinel.is_starved
        return did

    @property
    def status(self) -> str:
        """What is wrong, for the line that a person sees; empty where nothing is."""
        if self._sentinel.blind is not None:
            return f"BLIND, {self._sentinel.blind}"
        active = self._drifting.active if self._drifting is not None else {}
        return f"drift of {', '.join(sorted(active))}" if active else ""

    @property
    def counts(self) -> Mapping[str, int]:
        """Parts measured and left out, drifts raised, sentinels run and not reproduced."""
        with self._condition:
            found = dict(self._counts)
        for name, count in (
            ("sentinels", self._sentinel.reproduced + self._sentinel.failed),
            ("sentinels not reproduced", self._sentinel.failed),
        ):
            if count:
                found[name] = count
        return found

    def close(self, timeout_s: float) -> None:
        """End the thread; what waits is measured no more. At most timeout_s."""
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
                    self._condition.wait(_TURN_S)
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
        said = attempt(frame.part_id, partial(self._drifting.take, frame, verdict))
        if isinstance(said, Verdict):  # a bug; the log has it
            said = []
        if said and self._rules.on_drift == "unknown":
            severe = [one for one in self._drifting.active.values() if one.grade == "severe"]
            self._doubt = f"drift of {severe[0]}"[:_TEXT_CHARS] if severe else None
        for alarm in said:
            self._say(alarm)
        with self._condition:
            self._counts["measured"] += 1
            for alarm in said:
                if alarm.raised:
                    self._counts[f"drift of {alarm.measure}"] += 1

    def _say(self, alarm: Alarm) -> None:
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

    def _proven(self, sentinel: str, fault: str | None, since: int, part_id: int) -> None:
        """On the thread that ran the sentinel."""
        assert self._on_event is not None
        self._on_event(
            sentinel_event(
                self._station_id,
                self._bundle_id,
                sentinel=sentinel,
                fault=fault,
                since_part=since,
                part_id=part_id,
            )
        )
        if fault is not None or self._sentinel.blind is None:  # what is wrong stays
            self._keep(sentinel, fault or "", is_starved=False)

    def _keep(self, sentinel: str, reason: str, *, is_starved: bool) -> None:
        """For the doctor."""
        state = SentinelState(
            utc=utc_now(),
            bundle=self._bundle_id,
            sentinel=sentinel[:_TEXT_CHARS],
            reason=reason[:_TEXT_CHARS],
            is_starved=is_starved,
        )
        with self._condition:
            self._states.append(state)
            self._condition.notify()

    def _write(self, state: SentinelState) -> None:
        try:
            write_sentinel(self._path, state)
        except OSError as error:
            if not self._is_refused:
                _log.error("sentinel_not_kept file=%s reason=%s", self._path, error.strerror)
            self._is_refused = True
        else:
            self._is_refused = False
