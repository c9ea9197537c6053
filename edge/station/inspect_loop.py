"""The thread that inspects frames, and its switch from one chain to another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from logging import getLogger
from queue import Queue

from edge.clock import Clock
from edge.line.open_parts import OpenParts
from edge.line.part import Part
from edge.records import Frame, Verdict
from edge.station.collaborators import ActiveChain, PictureRecorder, TrialPort
from edge.station.counters import StationCounters
from edge.station.part_guard import attempt, check_part_id, withhold_pass
from edge.station.stages import next_item
from edge.watchdog import WatchedStage

_log = getLogger(__name__)

Frames = Queue[tuple[Part, Frame, int] | None]


@dataclass(frozen=True, slots=True)
class InspectParts:
    """The parts of a station that the loop works with.

    settle: gives a part its verdict. on_switch: takes the id of the bundle that decides from now
    on. budget_ns: the time from trigger to verdict.
    """

    frames: Frames
    opened: OpenParts
    stage: WatchedStage
    counters: StationCounters
    pictures: PictureRecorder
    trial: TrialPort
    settle: Callable[[Verdict], None]
    on_switch: Callable[[str], None]
    clock: Clock
    budget_ns: int


class InspectLoop:
    """Inspects each frame by the active chain.

    A switch to another chain is one assignment, between two frames. So it takes no time of a part,
    and no output is concerned. A thread that is inside an inspection cannot be stopped. ``replace``
    then starts another thread with another chain, and the result of the first one is ignored.

    Synchronization: ``run`` is for the inspector's thread, ``replace`` for the thread of the trial.
    The attributes may be read on any thread.
    """

    def __init__(self, chain: ActiveChain, parts: InspectParts) -> None:
        self.chain = chain
        self.busy_since_ns = 0
        """The begin of the present inspection; 0 between two frames."""
        self.thread: threading.Thread | None = None
        """The present thread, if ``replace`` has started it."""
        self._parts = parts
        self._turn = 0
        self._guard = threading.Lock()

    def run(self) -> None:
        """Inspect frames until the end marker. A part that already has a verdict is left out."""
        self._run(self._turn)

    def replace(self, chain: ActiveChain) -> None:
        """Let another thread go on with another chain, because this one hangs in an inspection."""
        with self._guard:
            self._turn += 1
            self.busy_since_ns = 0
            self._switch_to(chain)
            arguments = (self._turn,)
        _log.error("inspector_replaced bundle=%s", chain.bundle_id)
        self.thread = threading.Thread(
            target=self._run, name="inspector", args=arguments, daemon=True
        )
        self.thread.start()

    def _run(self, turn: int) -> None:
        parts = self._parts
        while (item := next_item(parts.frames, parts.stage, self._use_idle_time)) is not None:
            part, frame, captured_ns = item
            self._follow_trial()
            if part.part_id not in parts.opened:
                continue
            chain = self.chain
            began_ns = self._add_duration("wait", captured_ns)
            self.busy_since_ns = began_ns
            result = attempt(part.part_id, partial(chain.inspector.inspect, frame))
            with self._guard:
                if turn != self._turn:
                    return
                self.busy_since_ns = 0
            verdict = check_part_id(result, part)
            ended_ns = self._add_duration("inspect", began_ns)
            parts.pictures.record_inspection(verdict)
            parts.settle(withhold_pass(verdict, chain.monitor.doubt()))
            parts.counters.record_inspection(verdict)
            chain.monitor.record_inspection(frame, verdict)
            parts.trial.record_inspection(frame, verdict, (ended_ns - began_ns) / 1e6)

    def _use_idle_time(self) -> None:
        self._follow_trial()
        self._run_self_test()

    def _follow_trial(self) -> None:
        """Switch to the chain that the trial asks for, if it is another one."""
        wanted = self._parts.trial.wanted
        if wanted is not None and wanted is not self.chain:
            with self._guard:
                self._switch_to(wanted)

    def _switch_to(self, chain: ActiveChain) -> None:
        self._parts.pictures.use_origin(chain.origin)
        self._parts.on_switch(chain.bundle_id)
        self.chain = chain
        _log.warning("bundle_switched bundle=%s", chain.bundle_id)

    def _run_self_test(self) -> None:
        """Run a self-test if it is due, no part is under way, and there is enough time.

        A part that arrives the moment after it began still has the usual time to a verdict (p99.9)
        within its budget.
        """
        parts, monitor = self._parts, self.chain.monitor
        if not monitor.is_self_test_due():
            return
        with parts.opened.lock:
            is_idle, last_part = not len(parts.opened), parts.opened.last_id
        began_ns = parts.clock.now_ns()
        spare_ns = parts.budget_ns - parts.counters.usual_ns if is_idle else 0
        if monitor.run_self_test(spare_ns, last_part):
            self._add_duration("self-test", began_ns)

    def _add_duration(self, stage: str, began_ns: int) -> int:
        now_ns = self._parts.clock.now_ns()
        self._parts.counters.stats.add(stage, (now_ns - began_ns) / 1e3)
        return now_ns
