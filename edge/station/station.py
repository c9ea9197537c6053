"""Owns the threads of a station and the order in which they stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from logging import getLogger
from queue import Full, Queue

from edge.clock import Clock
from edge.devices.camera import Camera, EndOfFrames
from edge.devices.trigger import EndOfParts, Trigger
from edge.errors import DeviceError, MustEndError, OutfeedError
from edge.inbox import Mark
from edge.line.freshness import Freshness
from edge.line.outcome import Action
from edge.line.part import LineTiming, Part, PartTracker
from edge.line.pending import Ledger
from edge.records import Decision, Frame, Verdict
from edge.rejector.messages import Actuated, Counted
from edge.station.capture import capture
from edge.station.collaborators import (
    NO_MONITOR,
    NO_PICTURES,
    ConditionMonitor,
    PartInspector,
    PictureRecorder,
    RejectorPort,
)
from edge.station.counters import StationCounters
from edge.station.crash import Crashes, despite
from edge.station.journal_thread import JournalPort, JournalWriter
from edge.station.part_guard import attempt
from edge.station.part_numbers import RunEnd
from edge.station.previous_run import LastRunAccount
from edge.station.recent_parts import PartRegister
from edge.station.stages import TURN_S, Stages, end, end_at_once, join, peek, take
from edge.station.summary import Summary
from edge.station.unknown_verdicts import doubted, late, of_its_part, overload
from edge.watchdog import SILENT, Notifier, StageLimits, Watchdog

_log = getLogger(__name__)

_QUEUE_PARTS = 4  # more would be late anyhow: a budget is rarely above four gaps
_PATIENCE = StageLimits()
_STOP_S = 5.0  # for each thread and for the rejector, beyond what they have to wait for
_DYING_S = 1.0  # the same where a stage hangs and the process has to end
_Threads = dict[str, threading.Thread]


class Station:
    """Inspects every part that the trigger sees, from ``run`` until ``stop`` or the end of parts.

    Threads: trigger → (queue) → camera → (queue) → inspector; deadline, which gives UNKNOWN to a
    part the moment its budget is over, whatever the others are doing; journal; and the rejector
    client's own. A part is announced to the rejector before anything else happens to it. It gets
    exactly one verdict: the first; UNKNOWN is not sent, as the rejector treats every part without
    a verdict as ``on_unknown`` says.

    The thread that calls ``run`` is the watchdog: ten times a second it looks at when each of the
    others, and the rejector, last came round. All well: the notifier gets a heartbeat. A stage that
    hangs, or an unforeseen exception in any thread: the open parts become UNKNOWN, and ``run`` ends
    with MustEndError, without a goodbye to the rejector; the process must then end without waiting
    for its threads.

    Overflow rule: a part that finds a queue full is UNKNOWN "overload" at once.
    on_verdict and on_actuated are called on the station's threads and must return soon. register:
    has begun, and tells the next start of this run; account: what is told of the run before.
    """

    def __init__(
        self,
        *,
        station_id: str,
        bundle_id: str,
        trigger: Trigger,
        camera: Camera,
        inspector: PartInspector,
        rejector: RejectorPort,
        journal: JournalPort,
        clock: Clock,
        timing: LineTiming,
        first_part_id: int = 1,
        freshness: Freshness | None = None,
        pictures: PictureRecorder = NO_PICTURES,
        monitor: ConditionMonitor = NO_MONITOR,
        on_verdict: Callable[[Verdict], None] | None = None,
        on_actuated: Callable[[Actuated], None] | None = None,
        notifier: Notifier = SILENT,
        patience: StageLimits = _PATIENCE,
        commit_interval_s: float = 0.0,
        register: PartRegister | None = None,
        account: LastRunAccount | None = None,
    ) -> None:
        self._tally = StationCounters()
        self.stats = self._tally.stats
        self._trigger, self._camera, self._inspector = trigger, camera, inspector
        self._rejector, self._journal = rejector, journal
        self._stages = Stages.make(patience, clock)
        self._bundle_id, self._notifier, self._crashes = bundle_id, notifier, Crashes()
        self._writer = JournalWriter(
            journal,
            station=station_id,
            bundle=bundle_id,
            commit_interval_s=commit_interval_s,
            beat=self._stages.journal.beat,
            account=account,
            register=register,
        )
        self._clock, self._timing = clock, timing
        self._tracker = PartTracker(timing, first_part_id=first_part_id)
        self._freshness = freshness or Freshness()
        self._pictures, self._monitor = pictures, monitor
        self._on_verdict = on_verdict or (lambda verdict: None)
        self._on_actuated = on_actuated or (lambda report: None)
        self._parts: Queue[Part | None] = Queue(_QUEUE_PARTS)
        self._frames: Queue[tuple[Part, Frame, int] | None] = Queue(_QUEUE_PARTS)
        self._ledger, self._guard = Ledger(), threading.Condition()  # for it and the counts
        self._void, self._refused = set[int](), set[int]()  # no parts; the latter: not yet opened
        self._opened_id = first_part_id - 1  # the last part in the ledger
        self._stopping = self._all_seen = False
        self._failure: DeviceError | None = None
        self._end = RunEnd.STOPPED

    def stop(self) -> None:
        """Let no further part in and end in order. From any thread or signal handler; at once."""
        self._stopping = True  # no lock: a signal handler may interrupt a thread that holds it

    def run(self) -> Summary:
        """Run until stopped; blocks. Call once. Closes trigger, camera, rejector and journal.

        Raises DeviceError when the rejector does not start or the trigger fails; even then every
        part that was let in has its verdict, and everything is closed. Raises MustEndError.
        """
        began_ns = self._clock.now_ns()
        threads = {
            name: threading.Thread(target=target, name=name, daemon=True)
            for name, target in (
                ("deadline", self._watch_deadlines),
                ("inspector", self._inspect_frames),
                ("camera", self._capture_parts),
                ("trigger", self._follow_trigger),
            )
        }
        with self._crashes.deadly(partial(self._die, threads["trigger"])):
            try:
                self._oversee(threads)
            except (OutfeedError, KeyboardInterrupt, SystemExit) as error:
                if not isinstance(error, MustEndError):
                    self._end = RunEnd.FAILED
                    self._close(threads, crashed=True)
                raise
            counted = self._close(threads)
        if self._failure is not None:
            raise self._failure
        return self._tally.summary(
            duration_s=(self._clock.now_ns() - began_ns) / 1e9,
            bounces=self._tracker.bounces,
            rejector_restarts=self._rejector.restarts,
            events_lost=self._writer.lost,
            freshness=self._freshness,
            counted=counted,
            pictures=self._pictures.counts,
            monitor=self._monitor.counts,
        )

    def _oversee(self, threads: _Threads) -> None:
        """Start everything, and look at it until the trigger's thread has ended."""
        self._monitor.start(self._writer.put_event, self._opened_id + 1)
        self._rejector.start(self._actuated)
        self._notifier.ready(self._status())
        self._stages.begin()
        self._writer.start()
        self._pictures.start(self._marked)
        for thread in threads.values():
            thread.start()
        watchdog = Watchdog(self._notifier, self._stages.all, clock=self._clock)
        while threads["trigger"].is_alive():
            watchdog.look(self._status())
            threads["trigger"].join(TURN_S)
            self._crashes.check()

    def _close(self, threads: _Threads, *, crashed: bool = False) -> Counted | None:
        """In the order of a part's way: nothing is closed that something before it still needs."""
        self._stopping = True
        self._notifier.stopping(self._status())
        self._join(threads["trigger"])
        self._trigger.close()
        end(self._parts, _STOP_S)
        self._join(threads["camera"])
        self._camera.close()
        end(self._frames, _STOP_S)
        self._join(threads["inspector"])
        with self._guard:
            self._all_seen = True
            self._guard.notify_all()
        self._join(threads["deadline"])
        self._crashes.check()  # before the goodbye
        counted = self._rejector.close(_STOP_S)
        self._monitor.close(_STOP_S)
        self._close_journal(_STOP_S)
        # Last: no verdict waits for a picture.
        (self._pictures.dump if crashed else self._pictures.close)(_STOP_S)
        return counted

    def _close_journal(self, timeout_s: float) -> None:
        self._writer.close(timeout_s, self._end)
        if not self._writer.stuck:
            self._journal.close()

    def _die(self, trigger: threading.Thread, reason: str) -> None:
        """A stage hangs or has crashed, perhaps with a lock in its hand, and is not waited for. The
        open parts get their verdict, what the ejector makes of them is journalled, the line is the
        rejector's."""
        _log.error("station_dies reason=%s", reason)
        self._stopping = self._all_seen = True
        self._end = RunEnd.CRASHED
        if trigger.ident is not None:
            trigger.join(_DYING_S)  # no part comes after those that get their verdict here
        if self._guard.acquire(timeout=_DYING_S):
            for part in self._ledger.overdue(1 << 63):
                despite(partial(self._settle, Verdict.unknown(part.part_id, reason=reason)))
            self._guard.release()
        end_at_once(self._parts)
        end_at_once(self._frames)
        for step in (self._rejector.abandon, self._close_journal, self._pictures.dump):
            despite(partial(step, _DYING_S))

    def _join(self, thread: threading.Thread) -> None:
        """The rejector must not take a station for dead that is about to say goodbye."""
        limit_ns = self._clock.now_ns() + self._timing.budget_ns + round(_STOP_S * 1e9)
        join(thread, self._clock, limit_ns, self._rejector.beat)

    def _follow_trigger(self) -> None:
        """The trigger thread: every part is announced first and never waits for anything."""
        last_edge = beat_ns = 0
        while not self._stopping:
            self._stages.trigger.beat()
            if (now_ns := self._clock.now_ns()) >= beat_ns:
                # By this thread and no other: who announces is who sees the line.
                self._stages.rejector.beat_at(self._rejector.beat())
                beat_ns = now_ns + round(TURN_S * 1e9)
            try:
                edge = self._trigger.wait(TURN_S)
            except EndOfParts:
                return
            except DeviceError as error:
                _log.error("trigger_failed reason=%s", error)
                self._failure, self._end = error, RunEnd.FAILED
                return
            if edge is None:
                continue
            self._tally.edges_lost += edge.sequence - last_edge - 1
            last_edge = edge.sequence
            part = self._tracker.part(edge.at_ns)
            if part is None:
                continue
            self._writer.register.announced(part.part_id, part.triggered_ns)
            if part.due_ns is None:
                self._rejector.sighted(part.part_id, part.triggered_ns)
            else:
                self._rejector.announce(part.part_id, part.due_ns)
            with self._guard:
                self._opened_id = part.part_id
                if part.part_id in self._refused:
                    self._refused.discard(part.part_id)
                    continue
                self._ledger.open(part)
                self._guard.notify_all()
            self._took("announce", part.triggered_ns)
            try:
                self._parts.put_nowait(part)
            except Full:
                self._settle(overload(part))

    def _capture_parts(self) -> None:
        """The camera thread: one frame per part, late or not, so that the two stay in step."""
        sequence = 0
        while (part := take(self._parts, self._stages.camera)) is not None:
            sequence += 1
            began_ns = self._clock.now_ns()
            try:
                take_frame = partial(capture, self._camera, self._freshness, part, sequence)
                frame = attempt(part.part_id, take_frame)
            except EndOfFrames:
                self._annul(part)
                continue
            if isinstance(frame, Verdict):
                self._settle(frame)
                continue
            captured_ns = self._took("capture", began_ns)
            self._pictures.record_frame(frame)
            following = peek(self._parts)
            next_ns = None if following is None else following.triggered_ns
            fault = self._freshness.fault(frame, part, next_ns)
            if fault is not None:
                self._settle(Verdict.unknown(part.part_id, reason=fault))
                continue
            try:
                self._frames.put_nowait((part, frame, captured_ns))
            except Full:
                self._settle(overload(part))

    def _inspect_frames(self) -> None:
        """The inspector thread. A part late already is passed over."""
        while (item := take(self._frames, self._stages.inspector, self._run_self_test)) is not None:
            part, frame, captured_ns = item
            with self._guard:
                if part.part_id not in self._ledger:
                    continue
            began_ns = self._took("wait", captured_ns)
            said = attempt(part.part_id, partial(self._inspector.inspect, frame))
            verdict = of_its_part(said, part)
            self._took("inspect", began_ns)
            self._pictures.record_inspection(verdict)
            self._settle(doubted(verdict, self._monitor.doubt()))
            self._tally.inspected(verdict)
            self._monitor.record_inspection(frame, verdict)

    def _run_self_test(self) -> None:
        """Run a self-test if it is due, no part is under way, and there is enough time.

        A part that arrives the moment after it began still has the usual time to a verdict (p99.9)
        within its budget.
        """
        if not self._monitor.is_self_test_due():
            return
        with self._guard:
            is_idle, last_part = not len(self._ledger), self._opened_id
        began_ns = self._clock.now_ns()
        spare_ns = self._timing.budget_ns - self._tally.usual_ns if is_idle else 0
        if self._monitor.run_self_test(spare_ns, last_part):
            self._took("self-test", began_ns)

    def _watch_deadlines(self) -> None:
        """The deadline thread: the budget of a part is over when it is over."""
        while True:
            self._stages.deadline.beat()
            with self._guard:
                now_ns = self._clock.now_ns()
                overdue = self._ledger.overdue(now_ns)
                if not overdue:
                    next_ns = self._ledger.next_deadline_ns()
                    if next_ns is None and self._all_seen:
                        return
                    left_s = TURN_S if next_ns is None else (next_ns - now_ns) / 1e9
                    self._guard.wait(min(left_s, TURN_S))
            for part in overdue:
                self._settle(late(part, self._clock.now_ns(), self._timing.budget_ns))

    def _settle(self, verdict: Verdict) -> None:
        """Give a part its verdict, if it has none: to the rejector first, then to the journal."""
        now_ns = self._clock.now_ns()
        with self._guard:
            part = self._ledger.settle(verdict.part_id)
            if part is None:
                return
            if verdict.decision is not Decision.UNKNOWN and now_ns > part.deadline_ns:
                verdict = late(part, now_ns, self._timing.budget_ns)
            self._tally.judged(verdict, (now_ns - part.triggered_ns) / 1e3)
            self._monitor.record_verdict(verdict)
        if verdict.decision is not Decision.UNKNOWN:
            self._rejector.resolve(part.part_id, verdict.decision is Decision.REJECT)
        self._writer.put_verdict(verdict, part.triggered_ns)
        self._pictures.record_verdict(verdict)
        self._on_verdict(verdict)

    def _annul(self, part: Part) -> None:
        """The recording is over: what the belt sent after its last picture never was a part."""
        self._stopping = True
        with self._guard:
            if self._ledger.settle(part.part_id) is None:
                return
        self._void.add(part.part_id)
        self._writer.register.void(part.part_id)
        self._rejector.resolve(part.part_id, False)

    def _marked(self, mark: Mark, picture: str | None, stored: Callable[[], None]) -> bool:
        """A person's word, on the thread that read it."""
        is_taken = self._writer.put_mark(mark, picture, stored)
        if is_taken and mark.kind == "self-test":
            self._monitor.record_bad_part(mark.part_id)
        return is_taken

    def _actuated(self, report: Actuated) -> None:
        """On the rejector client's thread."""
        if report.part_id in self._void:
            return
        self._tally.actuated(report)
        if report.action is Action.NO_PART:
            self._refuse(report.part_id)
        self._writer.put_actuation(report)
        self._on_actuated(report)

    def _refuse(self, part_id: int) -> None:
        """The encoder says that the edge began no part: there is nothing to judge."""
        with self._guard:
            if part_id > self._opened_id:
                self._refused.add(part_id)
            else:
                self._ledger.settle(part_id)

    def _took(self, stage: str, began_ns: int) -> int:
        now_ns = self._clock.now_ns()
        self.stats.add(stage, (now_ns - began_ns) / 1e3)
        return now_ns

    def _status(self) -> str:
        return self._tally.status(self._bundle_id, self._writer, self._monitor.status)
