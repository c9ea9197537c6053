"""The stages of a station, and waits that record their heartbeats."""

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

WAIT_S = 0.1  # the longest wait of a loop between two heartbeats


@dataclass(frozen=True, slots=True)
class Stages:
    """One stage for each thread, and one for the rejector, which answers the trigger's pings."""

    trigger: WatchedStage
    camera: WatchedStage
    inspector: WatchedStage
    deadline: WatchedStage
    rejector: WatchedStage
    journal: WatchedStage

    @classmethod
    def make(cls, limits: StageLimits, clock: Clock) -> Stages:
        """Return all stages with their limits."""

        def stage(name: str, limit_ns: int = limits.stage_ns) -> WatchedStage:
            return WatchedStage(name, limit_ns=limit_ns, clock=clock)

        return cls(
            stage("trigger"),
            stage("camera"),
            stage("inspector"),
            stage("deadline"),
            # The trigger's thread pings the rejector. If that thread hangs, it must be named first.
            stage("rejector", limits.stage_ns + round(3 * WAIT_S * 1e9)),
            stage("journal", limits.journal_ns),
        )

    def begin(self) -> None:
        """Record the first heartbeat of every stage."""
        for stage in self.all:
            stage.beat()

    @property
    def all(self) -> tuple[WatchedStage, ...]:
        """Return the stages in the order in which a part passes them."""
        return (
            self.trigger,
            self.camera,
            self.inspector,
            self.deadline,
            self.rejector,
            self.journal,
        )


def next_item(
    queue: Queue[_T], stage: WatchedStage, when_empty: Callable[[], None] | None = None
) -> _T:
    """Wait for the next item of a queue and remove it. The stage records a heartbeat every 0.1 s.

    when_empty: called before each wait while the queue is empty.
    """
    while True:
        stage.beat()
        if when_empty is not None and queue.empty():
            when_empty()
            stage.beat()
        try:
            return queue.get(timeout=WAIT_S)
        except Empty:
            continue


def first_waiting(queue: Queue[_T]) -> _T | None:
    """Return the next item of a queue without removing it; None: the queue is empty."""
    with queue.mutex:
        return queue.queue[0] if queue.queue else None


def join_thread(
    thread: threading.Thread, clock: Clock, limit_ns: int, beat: Callable[[], object]
) -> None:
    """Wait for the end of a thread, if it was started. Call ``beat`` every 0.1 s meanwhile.

    limit_ns: the time on the clock at which the wait ends in any case.
    """
    if thread.ident is None:
        return
    while thread.is_alive() and clock.now_ns() < limit_ns:
        beat()
        thread.join(WAIT_S)
    if thread.is_alive():
        _log.error("thread_stuck name=%s", thread.name)


def put_end(queue: Queue[_T | None], timeout_s: float) -> None:
    """Put the end marker None into a queue. Blocks for timeout_s while the queue is full."""
    try:
        queue.put(None, timeout=timeout_s)
    except Full:
        _log.error("queue_stuck parts=%s", queue.qsize())


def replace_with_end(queue: Queue[_T | None]) -> None:
    """Put the end marker None into a queue. If it is full, remove items for it. Never blocks."""
    while True:
        try:
            queue.put_nowait(None)
            return
        except Full:
            with suppress(Empty):
                queue.get_nowait()
