"""The threads of a station, and the order in which they stop."""

from __future__ import annotations

import threading
from functools import partial
from logging import getLogger
from queue import Full, Queue

from edge.devices.camera import EndOfFrames
from edge.devices.trigger import EndOfParts
from edge.errors import DeviceError, MustEndError, OutfeedError
from edge.inbox import InboxItem, Mark
from edge.line.freshness import Freshness
from edge.line.open_parts import OpenParts
from edge.line.outcome import Action
from edge.line.part import Part, PartTracker
from edge.records import Decision, Verdict
from edge.rejector.messages import Actuated, Counted
from edge.station.collaborators import ActiveChain, ConditionMonitor, OnStored, TrialHost
from edge.station.construction import (
    RunHistory,
    StationDevices,
    StationListeners,
    StationServices,
    StationSettings,
)
from edge.station.counters import StationCounters
from edge.station.crash import CrashHandler, run_logged
from edge.station.inspect_loop import Frames, InspectLoop, InspectParts
from edge.station.journal_thread import JournalWriter
from edge.station.part_guard import (
    attempt,
    capture_frame,
    late_verdict,
    overload_verdict,
)
from edge.station.part_numbers import RunEnd
from edge.station.stages import (
    WAIT_S,
    Stages,
    first_waiting,
    join_thread,
    next_item,
    put_end,
    replace_with_end,
)
from edge.station.summary import Summary
from edge.watchdog import Watchdog

_log = getLogger(__name__)

_QUEUE_PARTS = 4  # a budget is rarely longer than four gaps between parts: a fifth would be late
_STOP_S = 5.0  # for each thread and for the rejector, beyond the time of their work
_CRASH_STOP_S = 1.0  # the same after a crash or a hang, when the process must end
_Threads = dict[str, threading.Thread]


class Station:
    """Inspects every part that the trigger reports, from ``run`` until ``stop`` or the last part.

    Threads: trigger → (queue) → camera → (queue) → inspector; deadline; journal; and the thread of
    the rejector's client. The deadline thread gives UNKNOWN to a part when its budget is over,
    independently of the other threads.

    A part is announced to the rejector before anything else. Each part gets exactly one verdict,
    the first. UNKNOWN is not sent to the rejector, which applies ``on_unknown`` to each part
    without a verdict.

    The thread that calls ``run`` is the watchdog. Ten times a second it compares the age of each
    heartbeat with its limit. While all are recent, it sends a heartbeat to the service manager.
    After a hang, or an unforeseen exception in any thread, the open parts become UNKNOWN. ``run``
    then raises MustEndError, without a Goodbye to the rejector. The process must exit without
    waiting for its threads.

    Overflow rule: a part that finds a queue full is UNKNOWN "overload" at once.
    """

    def __init__(
        self,
        settings: StationSettings,
        devices: StationDevices,
        services: StationServices,
        *,
        history: RunHistory | None = None,
        listeners: StationListeners | None = None,
    ) -> None:
        history = history or RunHistory()
        self._settings, self._timing = settings, settings.timing
        self._clock, self._trigger = devices.clock, devices.trigger
        self._camera, self._rejector = devices.camera, devices.rejector
        self._journal, self._pictures, self._trial = (
            services.journal,
            services.pictures,
            services.trial,
        )
        self._notifier, self._listeners = services.notifier, listeners or StationListeners()
        self._counters, self._crashes = StationCounters(), CrashHandler()
        self._stages = Stages.make(settings.limits, devices.clock)
        self._writer = JournalWriter(
            services.journal,
            station=settings.station_id,
            bundle=settings.bundle_id,
            commit_interval_s=settings.commit_interval_s,
            beat=self._stages.journal.beat,
            account=history.account,
            register=history.register,
        )
        self._tracker = PartTracker(settings.timing, first_part_id=history.first_part_id)
        self._freshness = Freshness(settings.freshness)
        self._parts: Queue[Part | None] = Queue(_QUEUE_PARTS)
        self._frames: Frames = Queue(_QUEUE_PARTS)
        self._open = OpenParts(first_part_id=history.first_part_id)
        self._inspect = InspectLoop(
            ActiveChain(settings.bundle_id, services.inspector, services.monitor),
            InspectParts(
                frames=self._frames,
                opened=self._open,
                stage=self._stages.inspector,
                counters=self._counters,
                pictures=services.pictures,
                trial=services.trial,
                settle=self._settle,
                on_switch=self._writer.use_bundle,
                clock=devices.clock,
                budget_ns=settings.timing.budget_ns,
            ),
        )
        self._void = set[int]()  # numbers that were announced and were no parts
        self._stopping = False
        self._failure: DeviceError | None = None
        self._end = RunEnd.STOPPED

    def stop(self) -> None:
        """Accept no further part and end in order. Any thread or signal handler; never blocks."""
        self._stopping = True  # no lock: a signal handler may interrupt a thread that holds it

    def run(self) -> Summary:
        """Run until stopped, and return the summary. Blocks. To be called once.

        Closes trigger, camera, rejector and journal. Raises DeviceError if the rejector does not
        start or the trigger fails. Even then every accepted part has its verdict, and everything
        is closed. Raises MustEndError.
        """
        began_ns = self._clock.now_ns()
        threads = {
            name: threading.Thread(target=target, name=name, daemon=True)
            for name, target in (
                ("deadline", self._check_deadlines),
                ("inspector", self._inspect.run),
                ("camera", self._capture_parts),
                ("trigger", self._follow_trigger),
            )
        }
        with self._crashes.handling(partial(self._stop_after_crash, threads["trigger"])):
            try:
                self._supervise(threads)
            except (OutfeedError, KeyboardInterrupt, SystemExit) as error:
                if not isinstance(error, MustEndError):
                    self._end = RunEnd.FAILED
                    self._close(threads, crashed=True)
                raise
            counted = self._close(threads)
        if self._failure is not None:
            raise self._failure
        return self._counters.summary(
            duration_s=(self._clock.now_ns() - began_ns) / 1e9,
            bounces=self._tracker.bounces,
            rejector_restarts=self._rejector.restarts,
            events_lost=self._writer.lost,
            freshness=self._freshness,
            counted=counted,
            pictures=self._pictures.counts,
            monitor=self._monitor.counts,
        )

    def _supervise(self, threads: _Threads) -> None:
        """Start everything, and check all stages until the trigger's thread has ended."""
        self._monitor.start(self._writer.put_event, self._open.last_id + 1)
        self._rejector.start(self._handle_actuated)
        self._notifier.ready(self._status())
        self._stages.begin()
        self._writer.start()
        self._pictures.start(self._put_mark)
        self._trial.start(self._trial_host())
        for thread in threads.values():
            thread.start()
        watchdog = Watchdog(self._notifier, self._stages.all, clock=self._clock)
        while threads["trigger"].is_alive():
            watchdog.check(self._status())
            threads["trigger"].join(WAIT_S)
            self._crashes.check()

    def _close(self, threads: _Threads, *, crashed: bool = False) -> Counted | None:
        """Close everything in the order in which a part passes it, and return the rejector's
        counters. Nothing is closed that an earlier step still needs."""
        self._stopping = True
        self._notifier.stopping(self._status())
        self._join(threads["trigger"])
        self._trigger.close()
        put_end(self._parts, _STOP_S)
        self._join(threads["camera"])
        self._camera.close()
        put_end(self._frames, _STOP_S)
        self._trial.close(_STOP_S)
        self._join(self._inspect.thread or threads["inspector"])
        self._open.close()
        self._join(threads["deadline"])
        self._crashes.check()  # before the Goodbye
        counted = self._rejector.close(_STOP_S)
        self._monitor.close(_STOP_S)
        self._close_journal(_STOP_S)
        # Last, as no verdict waits for a picture.
        (self._pictures.dump if crashed else self._pictures.close)(_STOP_S)
        return counted

    def _close_journal(self, timeout_s: float) -> None:
        self._writer.close(timeout_s, self._end)
        if not self._writer.stuck:
            self._journal.close()

    def _stop_after_crash(self, trigger: threading.Thread, reason: str) -> None:
        """Stop while a stage hangs or has crashed, perhaps with a lock held.

        The open parts get the verdict UNKNOWN. The rejector completes the parts on the belt, and
        its reports are journalled. No thread but the trigger is waited for.
        """
        _log.error("station_crashed reason=%s", reason)
        self._stopping = self._open.is_closed = True
        self._end = RunEnd.CRASHED
        if trigger.ident is not None:
            trigger.join(_CRASH_STOP_S)  # no part is opened after the loop below
        if self._open.lock.acquire(timeout=_CRASH_STOP_S):
            for part in self._open.overdue(1 << 63):
                run_logged(partial(self._settle, Verdict.unknown(part.part_id, reason=reason)))
            self._open.lock.release()
        replace_with_end(self._parts)
        replace_with_end(self._frames)
        for step in (self._rejector.abandon, self._close_journal, self._pictures.dump):
            run_logged(partial(step, _CRASH_STOP_S))

    def _join(self, thread: threading.Thread) -> None:
        """Wait for a thread, and ping the rejector meanwhile: it must not treat this station as
        failed before the Goodbye."""
        limit_ns = self._clock.now_ns() + self._timing.budget_ns + round(_STOP_S * 1e9)
        join_thread(thread, self._clock, limit_ns, self._rejector.ping)

    def _follow_trigger(self) -> None:
        """Run the trigger thread. It announces each part first, and never waits for other work."""
        last_edge = ping_ns = 0
        while not self._stopping:
            self._stages.trigger.beat()
            if (now_ns := self._clock.now_ns()) >= ping_ns:
                # Pinged by the thread that announces parts: only it proves that the line is read.
                self._stages.rejector.beat_at(self._rejector.ping())
                ping_ns = now_ns + round(WAIT_S * 1e9)
            try:
                edge = self._trigger.wait(WAIT_S)
            except EndOfParts:
                return
            except DeviceError as error:
                _log.error("trigger_failed reason=%s", error)
                self._failure, self._end = error, RunEnd.FAILED
                return
            if edge is None:
                continue
            self._counters.edges_lost += edge.sequence - last_edge - 1
            last_edge = edge.sequence
            part = self._tracker.part(edge.at_ns)
            if part is None:
                continue
            self._writer.register.record_part(part.part_id, part.triggered_ns)
            if part.due_ns is None:
                self._rejector.sighted(part.part_id, part.triggered_ns)
            else:
                self._rejector.announce(part.part_id, part.due_ns)
            if not self._open.add(part):
                continue
            self._add_duration("announce", part.triggered_ns)
            try:
                self._parts.put_nowait(part)
            except Full:
                self._settle(overload_verdict(part))

    def _capture_parts(self) -> None:
        """Run the camera thread. It captures one frame for each part, even for a late one, so that
        frames and parts stay in step."""
        sequence = 0
        while (part := next_item(self._parts, self._stages.camera)) is not None:
            sequence += 1
            began_ns = self._clock.now_ns()
            try:
                step = partial(capture_frame, self._camera, self._freshness, part, sequence)
                frame = attempt(part.part_id, step)
            except EndOfFrames:
                self._void_part(part)
                continue
            if isinstance(frame, Verdict):
                self._settle(frame)
                continue
            captured_ns = self._add_duration("capture", began_ns)
            self._pictures.record_frame(frame)
            following = first_waiting(self._parts)
            next_ns = None if following is None else following.triggered_ns
            fault = self._freshness.fault(frame, part, next_ns)
            if fault is not None:
                self._settle(Verdict.unknown(part.part_id, reason=fault))
                continue
            try:
                self._frames.put_nowait((part, frame, captured_ns))
            except Full:
                self._settle(overload_verdict(part))

    def _check_deadlines(self) -> None:
        """Run the deadline thread. It gives UNKNOWN to each part whose budget is over."""
        while True:
            self._stages.deadline.beat()
            overdue = self._open.wait_overdue(self._clock, WAIT_S)
            if overdue is None:
                return
            for part in overdue:
                self._settle(late_verdict(part, self._clock.now_ns(), self._timing.budget_ns))

    def _settle(self, verdict: Verdict) -> None:
        """Give a part its verdict if it has none. The rejector gets it first, then the journal."""
        now_ns = self._clock.now_ns()
        with self._open.lock:  # it guards the counters too
            part = self._open.settle(verdict.part_id)
            if part is None:
                return
            if verdict.decision is not Decision.UNKNOWN and now_ns > part.deadline_ns:
                verdict = late_verdict(part, now_ns, self._timing.budget_ns)
            self._counters.count_verdict(verdict, (now_ns - part.triggered_ns) / 1e3)
            self._monitor.record_verdict(verdict)
            self._trial.record_verdict(verdict)
        if verdict.decision is not Decision.UNKNOWN:
            self._rejector.resolve(part.part_id, verdict.decision is Decision.REJECT)
        self._writer.put_verdict(verdict, part.triggered_ns)
        self._pictures.record_verdict(verdict)
        self._listeners.on_verdict(verdict)

    def _void_part(self, part: Part) -> None:
        """End the run: the recording has no frame for this part, so it was none."""
        self._stopping = True
        if self._open.settle(part.part_id) is None:
            return
        self._void.add(part.part_id)
        self._writer.register.mark_void(part.part_id)
        self._rejector.resolve(part.part_id, False)

    def _put_mark(self, mark: InboxItem, picture: str | None, on_stored: OnStored) -> bool:
        """Journal a mark or an answer, on the thread that read it. Return False if the queue is
        full."""
        is_accepted = self._writer.put_mark(mark, picture, on_stored)
        if is_accepted and isinstance(mark, Mark) and mark.kind == "self-test":
            self._monitor.record_bad_part(mark.part_id)
        return is_accepted

    def _handle_actuated(self, report: Actuated) -> None:
        """Count and journal a report of the rejector, on the thread of the rejector's client."""
        if report.part_id in self._void:
            return
        self._counters.count_actuation(report)
        if report.action is Action.NO_PART:
            self._open.refuse(report.part_id)  # the encoder shows that the edge began no part
        self._writer.put_actuation(report)
        self._listeners.on_actuated(report)

    def _add_duration(self, stage: str, began_ns: int) -> int:
        """Add a duration to the statistics of a stage, and return the present time."""
        now_ns = self._clock.now_ns()
        self._counters.stats.add(stage, (now_ns - began_ns) / 1e3)
        return now_ns

    @property
    def _monitor(self) -> ConditionMonitor:
        return self._inspect.chain.monitor

    def _trial_host(self) -> TrialHost:
        return TrialHost(
            base=self._inspect.chain,
            on_event=self._writer.put_event,
            last_part=lambda: self._open.last_id,
            chain=lambda: self._inspect.chain,
            busy_since_ns=lambda: self._inspect.busy_since_ns,
            replace=self._inspect.replace,
        )

    def _status(self) -> str:
        chain = self._inspect.chain
        return self._counters.status(chain.bundle_id, self._writer, chain.monitor.status)
