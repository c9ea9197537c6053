"""An encoder at one or two GPIO lines."""

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

_BUFFERED = 1024  # the most that a kernel keeps for one request
_READS = 32  # of 64 edges: more than it keeps, so one ``read`` ends on a belt that never stops
_WRAP = 1 << 32  # the kernel numbers edges in 32 bits


class GpioEncoder:
    """Counts edges that the kernel stamped on CLOCK_MONOTONIC and numbered.

    Two channels are quadrature, every edge of both is a count, and the count grows when ``a`` leads
    ``b`` (exchange them where the belt runs the other way). One channel counts its rising edges.
    The kernel keeps 1,024 edges until they are read and then drops the oldest: with one channel
    they are added; with two nobody knows which way they went, and every position is a ``gap``
    until an edge of each channel has said where it stands. Every edge is an interrupt: beyond some
    10,000 a second a counter in hardware is the better encoder.
    """

    def __init__(
        self, a: GpioLine, b: GpioLine | None = None, *, clock: Clock, bias: Bias = "as-is"
    ) -> None:
        """Raises DeviceError when the lines cannot be claimed, ConfigError for two chips."""
        if b is not None and b.chip != a.chip:
            raise ConfigError(f"encoder: both channels must be of one chip, found {a} and {b}")
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
        self._number = 0  # of the last edge, the kernel's
        self._a, self._b = numbers[0], numbers[-1]
        self._single = b is None
        # Read after the claim: an edge in between comes as an event too, which then changes
        # nothing and is a gap. The other way round it would be missed.
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
        # Each line has an interrupt thread of its own, so the queue may be out of order; the
        # numbers were given before that.
        events.sort(key=lambda event: (event.global_seqno - self._number) % _WRAP)
        found = [] if self._begun else [EncoderPosition(0, self._opened_ns)]
        self._begun = True
        for event in events:
            found.append(self._single_step(event) if self._single else self._quadrature(event))
        return found

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
        # Forward is 00 10 11 01 of a and b: an edge of a makes them differ, one of b makes them
        # the same.
        self._count += 1 if differ == (line == self._a) else -1
        return self._position(event, gap=gap)

    def _step(self, event: Any) -> int:
        """How far the kernel's number went: 1, or more where it dropped edges."""
        step: int = (event.global_seqno - self._number) % _WRAP
        self._number = event.global_seqno
        if step != 1:
            _log.error("edges_lost count=%s on=%s: nobody read them in time", step - 1, self._where)
        return step

    def _position(self, event: Any, *, gap: bool) -> EncoderPosition:
        self._last_ns = max(self._last_ns, event.timestamp_ns)
        return EncoderPosition(self._count, self._last_ns, gap)
