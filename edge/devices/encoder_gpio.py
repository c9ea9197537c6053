"""An encoder on one or two GPIO lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from logging import getLogger
from typing import Any, Literal

from edge.clock import Clock
from edge.devices.encoder import EncoderPosition
from edge.devices.gpio import GpioLine, LineRequest, claim, failed, load_gpiod
from edge.errors import ConfigError, DeviceError

_log = getLogger(__name__)

Bias = Literal["as-is", "disabled", "pull-up", "pull-down"]

_BUFFERED = 1024  # the largest buffer of the kernel for one request
_READS = 32  # reads of 64 edges each: more than the buffer holds, so ``read`` always ends
_WRAP = 1 << 32  # the kernel numbers edges in 32 bits


class GpioEncoder:
    """An Encoder that counts edges, which the kernel stamps on CLOCK_MONOTONIC and numbers.

    Two channels are quadrature: every edge of both is a count, and the count grows when ``a`` leads
    ``b``. Exchange them where the belt runs the other way. One channel counts its rising edges.

    The kernel keeps 1,024 unread edges and then drops the oldest. With one channel the number of
    dropped edges is added. With two channels their direction is not known, and every position is a
    ``gap`` until each channel has had another edge. Every edge is an interrupt, so above about
    10,000 edges per second a hardware counter is better.
    """

    def __init__(
        self, a: GpioLine, b: GpioLine | None = None, *, clock: Clock, bias: Bias = "as-is"
    ) -> None:
        """Claim the lines. Raises DeviceError where that fails, ConfigError for two chips."""
        if b is not None and b.chip != a.chip:
            raise ConfigError(f"encoder: both channels must be on one chip, found {a} and {b}")
        gpiod = load_gpiod()
        line = gpiod.line
        wanted = {
            where: gpiod.LineSettings(
                direction=line.Direction.INPUT,
                edge_detection=line.Edge.RISING if b is None else line.Edge.BOTH,
                bias=line.Bias[bias.upper().replace("-", "_")],
                active_low=where.active_low,
                event_clock=line.Clock.MONOTONIC,
            )
            for where in (a, b)
            if where is not None
        }
        self._where = a
        self._request: LineRequest | None
        self._request, numbers = claim(wanted, buffered_events=_BUFFERED)
        self._released = gpiod.RequestReleasedError
        self._rising = gpiod.EdgeEvent.Type.RISING_EDGE
        self._opened_ns = self._last_ns = clock.now_ns()
        self._begun = False
        self._count = 0
        self._number = 0  # number of the last edge, by the kernel
        self._a, self._b = numbers[0], numbers[-1]
        self._single = b is None
        # The level is read after the claim. An edge in between is also an event, which changes
        # nothing then and is a gap. In the other order it would be missed.
        self._high = {number: bool(self._request.get_value(number)) for number in numbers}
        self._sure = dict.fromkeys(numbers, True)

    @property
    def origin(self) -> int:
        return self._opened_ns

    def read(self) -> Sequence[EncoderPosition]:
        if self._request is None:
            raise DeviceError("encoder_gpio: read after close")
        try:
            events = list(self._waiting(self._request))
        except (OSError, ValueError, self._released) as error:
            raise failed(self._where, error) from error
        # Each line has its own interrupt thread, so the queue may be out of order. The numbers are
        # assigned before that.
        events.sort(key=lambda event: (event.global_seqno - self._number) % _WRAP)
        positions = [] if self._begun else [EncoderPosition(0, self._opened_ns)]
        self._begun = True
        for event in events:
            positions.append(self._single_step(event) if self._single else self._quadrature(event))
        return positions

    def fileno(self) -> int | None:
        if self._request is None:
            raise DeviceError("encoder_gpio: fileno after close")
        return self._request.fileno()

    def close(self) -> None:
        if self._request is not None:
            self._request.release()
            self._request = None

    @staticmethod
    def _waiting(request: LineRequest) -> Iterator[Any]:
        for _ in range(_READS):
            if not request.wait_edge_events(0):
                return
            yield from request.read_edge_events()

    def _single_step(self, event: Any) -> EncoderPosition:
        self._count += self._step(event)
        return self._position(event, gap=False)

    def _quadrature(self, event: Any) -> EncoderPosition:
        line, high = event.line_offset, event.event_type is self._rising
        if self._step(event) != 1 or (self._sure[line] and high == self._high[line]):
            self._sure = dict.fromkeys(self._sure, False)
        gap = not all(self._sure.values())
        self._sure[line] = True
        self._high[line] = high
        differ = self._high[self._a] != self._high[self._b]
        # The forward order of (a, b) is 00 10 11 01: an edge of a makes them differ, an edge of b
        # makes them equal.
        self._count += 1 if differ == (line == self._a) else -1
        return self._position(event, gap=gap)

    def _step(self, event: Any) -> int:
        """Return the step of the number of the kernel: 1, or more where it dropped edges."""
        step: int = (event.global_seqno - self._number) % _WRAP
        self._number = event.global_seqno
        if step != 1:
            _log.error(
                "edges_lost count=%s on=%s: they were not read in time", step - 1, self._where
            )
        return step

    def _position(self, event: Any, *, gap: bool) -> EncoderPosition:
        self._last_ns = max(self._last_ns, event.timestamp_ns)
        return EncoderPosition(self._count, self._last_ns, gap)
