"""A photo-eye on a GPIO line."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from logging import getLogger
from typing import Any, Literal

from edge.devices.gpio import GpioLine, LineRequest, claim, failed, load_gpiod
from edge.devices.trigger import TriggerEdge
from edge.errors import DeviceError

_log = getLogger(__name__)

TriggerSlope = Literal["rising", "falling"]
Bias = Literal["as-is", "disabled", "pull-up", "pull-down"]

# The largest buffer of the kernel for one request: about one second at 1,000 edges per second.
_BUFFERED = 1024
_WRAP = 1 << 32  # the kernel counts edges in 32 bits


class GpioTrigger:
    """A Trigger on a GPIO line. The interrupt handler of the kernel stamps its edges.

    slope is logical: with active_low, "rising" is when the line goes low. The kernel keeps 1,024
    unread edges and then drops the oldest. ``sequence`` is the count of the kernel, so dropped
    edges are missing numbers; ``lost`` counts them, and a log line reports them. A part that stands
    in the light beam at the claim makes no edge.

    debounce_us: 0 returns every edge, bounces too; the line removes them by their stamps.
    Otherwise the kernel removes them. It reports a level after it was stable for that time, with
    the stamp of the *end* of the time, rounded up to its timer tick (1 to 10 ms). Every ejector
    pulse is later by that amount.

    Raises DeviceError when the line cannot be claimed.
    """

    def __init__(
        self,
        where: GpioLine,
        *,
        slope: TriggerSlope = "rising",
        bias: Bias = "as-is",
        debounce_us: int = 0,
    ) -> None:
        gpiod = load_gpiod()
        line = gpiod.line
        settings = gpiod.LineSettings(
            direction=line.Direction.INPUT,
            edge_detection=line.Edge.RISING if slope == "rising" else line.Edge.FALLING,
            bias=line.Bias[bias.upper().replace("-", "_")],
            active_low=where.active_low,
            debounce_period=timedelta(microseconds=debounce_us),
            event_clock=line.Clock.MONOTONIC,
        )
        self.lost = 0
        self._where = where
        self._request: LineRequest | None
        self._request, _ = claim({where: settings}, buffered_events=_BUFFERED)
        self._released = gpiod.RequestReleasedError
        self._events: deque[Any] = deque()
        self._sequence = 0

    def wait(self, timeout_s: float) -> TriggerEdge | None:
        if self._request is None:
            raise DeviceError("trigger_gpio: wait after close")
        if not self._events:
            try:
                if not self._request.wait_edge_events(timeout_s):
                    return None
                self._events.extend(self._request.read_edge_events())
            except (OSError, ValueError, self._released) as error:
                raise failed(self._where, error) from error
        event = self._events.popleft()
        step = (event.line_seqno - self._sequence) % _WRAP
        if step > 1:
            self.lost += step - 1
            _log.error(
                "edges_lost count=%s on=%s: they were not read in time", step - 1, self._where
            )
        self._sequence += step
        return TriggerEdge(self._sequence, event.timestamp_ns)

    def close(self) -> None:
        if self._request is not None:
            self._request.release()
            self._request = None
