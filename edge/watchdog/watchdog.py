"""The check of all stages. A heartbeat for the service manager follows only from this check."""

from __future__ import annotations

from collections.abc import Sequence

from edge.clock import Clock
from edge.errors import StalledError
from edge.watchdog.notifier import Notifier
from edge.watchdog.stage import WatchedStage


class Watchdog:
    """Sends a heartbeat to the service manager while all stages have recent heartbeats.

    ``check`` is the only place that sends one, on the caller's thread, after it has checked every
    stage. No thread sends one without this check. After a stage was found hung, no heartbeat
    follows. For one thread.
    """

    def __init__(self, notifier: Notifier, stages: Sequence[WatchedStage], *, clock: Clock) -> None:
        self._notifier = notifier
        self._stages = tuple(stages)
        self._clock = clock
        self._next_ns = 0
        self._hung = ""

    def check(self, status: str) -> None:
        """Check every stage. If all are within their limits, send a heartbeat with the status when
        one is due.

        Raises StalledError with the names of the stages that exceed their limits, and reports them
        to the service manager; after the first time at every call.
        """
        now_ns = self._clock.now_ns()
        if not self._hung:
            self._hung = ", ".join(
                f"{stage.name} for {stage.age_ns(now_ns) / 1e9:.1f} s"
                for stage in self._stages
                if stage.age_ns(now_ns) > stage.limit_ns
            )
        if self._hung:
            self._notifier.send_status(f"hung: {self._hung}")
            raise StalledError(f"hung: {self._hung}")
        if now_ns >= self._next_ns:
            self._notifier.heartbeat(status)
            self._next_ns = now_ns + round(self._notifier.interval_s * 1e9)
