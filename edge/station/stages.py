"""What has to move in a station, for its watchdog to look at."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from logging import getLogger
from queue import Empty, Full, Queue
from typing import TypeVar

from edge.clock import Clock
from edge.watchdog import StageLimits, WatchedStage

_log = getLogger(__name__)
_T = TypeVar("_T")

TURN_S = 0.1  # how long a loop waits in vain before it comes round


@dataclass(frozen=True, slots=True)
class Stages:
    """One WatchedStage per thread, and one for the rejector, which answers the trigger's pings."""

    trigger: WatchedStage
    camera: WatchedStage
    inspector: WatchedStage
    deadline: WatchedStage
    rejector: WatchedStage
    journal: WatchedStage

    @classmethod
    def make(cls, patience: StageLimits, clock: Clock) -> Stages:
        """All of them, with their bounds."""

        def stage(name: str, bound_ns: int = patience.stage_ns) -> WatchedStage:
            return WatchedStage(name, bound_ns=bound_ns, clock=clock)

        return cls(
            stage("trigger"),
            stage("camera"),
            stage("inspector"),
            stage("deadline"),
            # Through the trigger's thread: where that one hangs, it shall be named first.
            stage("rejector", patience.stage_ns + round(3 * TURN_S * 1e9)),
            stage("journal", patience.journal_ns),
        )

    def begin(self) -> None:
        """The first turn of every stage begins now."""
        for stage in self.all:
            stage.beat()

    @property
    def all(self) -> tuple[WatchedStage, ...]:
        """In the order of a part's way."""
        return (
            self.trigger,
            self.camera,
            self.inspector,
            self.deadline,
            self.rejector,
            self.journal,
        )


def take(queue: Queue[_T], stage: WatchedStage, between: Callable[[], None] | None = None) -> _T:
    """What comes next out of the queue; the stage beats at every turn of the wait. between: what
    is done at every turn, before it waits, while nothing is in the queue."""
    while True:
        stage.beat()
        if between is not None and queue.empty():
            between()
            stage.beat()
        try:
            return queue.get(timeout=TURN_S)
        except Empty:
            continue


def peek(queue: Queue[_T]) -> _T | None:
    """What comes next out of the queue, left there; None: it is empty."""
    with queue.mutex:
        return queue.queue[0] if queue.queue else None


def join(thread: threading.Thread, clock: Clock, limit_ns: int, beat: Callable[[], object]) -> None:
    """Wait for a thread that was started to end, until the moment of the clock; meanwhile beat."""
    if thread.ident is None:
        return
    while thread.is_alive() and clock.now_ns() < limit_ns:
        beat()
        thread.join(TURN_S)
    if thread.is_alive():
        _log.error("thread_stuck name=%s", thread.name)


def end(queue: Queue[_T | None], timeout_s: float) -> None:
    """Put the end marker behind what waits; a consumer that is stuck is waited for so long only."""
    try:
        queue.put(None, timeout=timeout_s)
    except Full:
        _log.error("queue_stuck parts=%s", queue.qsize())


def end_at_once(queue: Queue[_T | None]) -> None:
    """Put the end marker in place of what waits. Never blocks."""
    while True:
        try:
            queue.put_nowait(None)
            return
        except Full:
            with suppress(Empty):
                queue.get_nowait()
