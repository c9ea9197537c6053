"""Looks at every stage, and says so to the service manager only when it has looked."""

from __future__ import annotations

from collections.abc import Sequence

from edge.clock import Clock
from edge.errors import StalledError
from edge.watchdog.notifier import Notifier
from edge.watchdog.stage import WatchedStage


class Watchdog:
    """``look`` is the only place from which a heartbeat is sent, and it is sent by the caller's
    thread after it has looked at every stage: no thread feeds it blindly. Once a stage was found
    hung no heartbeat follows, whatever happens. One thread."""

    def __init__(self, notifier: Notifier, stages: Sequence[WatchedStage], *, clock: Clock) -> None:
        self._notifier = notifier
        self._stages = tuple(stages)
        self._clock = clock
        self._next_ns = 0
        self._hung = ""

    def look(self, status: str) -> None:
        """Look at every stage; all well: a heartbeat with the status, where one is due.

        Raises StalledError that names the stages that have not come round within their bound, and
        tells the service manager, every time from then on.
        """
        now_ns = self._clock.now_ns()
        if not self._hung:
            self._hung = ", ".join(
                f"{stage.name} for {stage.silent_ns(now_ns) / 1e9:.1f} s"
                for stage in self._stages
                if stage.silent_ns(now_ns) > stage.bound_ns
            )
        if self._hung:
            self._notifier.say(f"hung: {self._hung}")
            raise StalledError(f"hung: {self._hung}")
        if now_ns >= self._next_ns:
            self._notifier.alive(status)
            self._next_ns = now_ns + round(self._notifier.interval_s * 1e9)
