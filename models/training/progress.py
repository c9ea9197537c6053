"""Log messages on the progress of long work.

Code that takes long names its stages (``stage``, ``track``). A command wraps its work in
``announced``: a thread then logs the innermost stage whenever nothing was logged for EVERY_S.
Without ``announced`` a stage costs a microsecond and logs nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

log = logging.getLogger(__name__)

EVERY_S = 10.0
_LOOK_S = 0.5
_LEAST_S = 3.0  # age of a stage from which on its remaining time is estimated
_Item = TypeVar("_Item")


@dataclass(slots=True)
class WorkStage:
    """One piece of work.

    total: number of items, None where it is unknown. note: a figure that changes, for instance a
    loss. is_shown: a bar on the terminal shows the progress already. begun_at: items that were done
    by an earlier call.
    """

    title: str
    began_s: float
    total: int | None = None
    done: int = 0
    note: str = ""
    is_shown: bool = False
    begun_at: int = 0

    def begin_at(self, done: int) -> None:
        """Note the items that an earlier call has done; they took none of this stage's time."""
        self.done = self.begun_at = done

    def words(self, now_s: float) -> str:
        """Return a line like 'trying T: 12 of 60 after 20 s, about 80 s left'."""
        elapsed = now_s - self.began_s
        note = f", {self.note}" if self.note else ""
        if not self.total:
            return f"{self.title}: {duration(elapsed)} so far{note}"
        text = f"{self.title}: {self.done} of {self.total} after {duration(elapsed)}{note}"
        left = self.left_s(now_s)
        return text if left is None else f"{text}, about {duration(left)} left"

    def left_s(self, now_s: float) -> float | None:
        """Return the estimated seconds that are left; None where there is no ground for one."""
        elapsed, own = now_s - self.began_s, self.done - self.begun_at
        if not self.total or own <= 0 or self.done >= self.total or elapsed < _LEAST_S:
            return None
        return elapsed / own * (self.total - self.done)


class LeftInAll(Protocol):
    """An estimate of whole work, of which stages are parts (models/training/forecast.py)."""

    def left_s(self, of_stage_s: float | None) -> float:
        """Return the seconds that are left in all, with those of the current stage if known."""
        ...


class WorkStages:
    """The stages that are not finished, outermost first.

    forecast: of the whole work; None where nothing is expected.

    Synchronization: one thread enters and leaves stages, another reads them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: list[WorkStage] = []
        self.forecast: LeftInAll | None = None

    @contextmanager
    def enter(self, title: str, total: int | None = None) -> Iterator[WorkStage]:
        one = WorkStage(title, self._clock(), total)
        with self._lock:
            self._open.append(one)
        try:
            yield one
        finally:
            with self._lock:
                self._open.remove(one)

    def line(self) -> str | None:
        """Return a line on the innermost stage that is more than a moment old, after the outermost
        one. Return None where no stage is open, or where it is shown already."""
        with self._lock:
            some = list(self._open)
        if not some or some[-1].is_shown:
            return None
        now = self._clock()
        # A stage within a stage may be over in a moment and begin again a thousand times.
        shown = next((one for one in some[::-1] if now - one.began_s >= _LEAST_S), some[0])
        outer = f"{some[0].title}: " if shown is not some[0] else ""
        return outer + shown.words(now) + self._in_all(shown.left_s(now))

    def _in_all(self, of_stage_s: float | None) -> str:
        whole = self.forecast
        if whole is None:
            return ""
        left_s = whole.left_s(of_stage_s)
        return "" if left_s <= (of_stage_s or 0.0) else f"; about {duration(left_s)} left in all"


class Announcer(logging.Handler):
    """A log handler that logs the current stage when nothing was logged for ``every_s``."""

    def __init__(
        self, stages: WorkStages, every_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(logging.INFO)
        self._stages, self._every_s, self._clock = stages, every_s, clock
        self._last_s = clock()

    def emit(self, record: logging.LogRecord) -> None:
        """Note the time of a log record."""
        self._last_s = self._clock()

    def announce_if_silent(self) -> None:
        """Log the current stage if nothing was logged for ``every_s``. Called twice a second."""
        if self._clock() - self._last_s < self._every_s:
            return
        line = self._stages.line()
        if line is not None:
            # log.handle ignores logging.disable, which export/quantisation/quantise.py uses for
            # minutes to silence libraries.
            log.handle(log.makeRecord(log.name, logging.INFO, __file__, 0, line, (), None))
        self._last_s = self._clock()


STAGES = WorkStages()


@contextmanager
def stage(title: str, total: int | None = None) -> Iterator[WorkStage]:
    """Name work that may take long, for instance 'tracing the networks'.

    The caller increments ``done`` where there is a total.
    """
    with STAGES.enter(title, total) as one:
        yield one


def track(items: Iterable[_Item], title: str, total: int | None = None) -> Iterator[_Item]:
    """Yield the items, and count them as progress. total: needed if ``items`` has no length."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with STAGES.enter(title, total) as one:
        for item in items:
            yield item
            one.done += 1


@contextmanager
def announced(every_s: float = EVERY_S) -> Iterator[None]:
    """Log the current stage from a thread whenever nothing was logged for ``every_s`` seconds.

    Configure logging before: ``basicConfig`` does nothing once there is a handler.
    """
    announcer = Announcer(STAGES, every_s)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(min(_LOOK_S, every_s)):
            announcer.announce_if_silent()

    thread = threading.Thread(target=watch, name="progress", daemon=True)
    root = logging.getLogger()
    root.addHandler(announcer)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        root.removeHandler(announcer)


def duration(seconds: float) -> str:
    """Return '45 s', or '12 min' from two minutes on."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
