"""Two eyes and an encoder, on GPIO lines that are played: what becomes of edges."""

import pytest

from edge.commission.observation import TwoEyes
from edge.devices.encoder_gpio import GpioEncoder
from edge.devices.gpio import GpioLine
from edge.devices.trigger_gpio import GpioTrigger
from edge.errors import DeviceError
from tests.devices.clocks import MS, FakeClock
from tests.devices.triggers import fake_kernel


class Bench:
    """A chip with the photo-eye at line 0, the ejector's eye at 1, an encoder of one channel at 2.

    script: pairs of time and line. An edge occurs when a caller waits until its time.
    """

    def __init__(self, request: pytest.FixtureRequest, script: list[tuple[int, int]]) -> None:
        self.clock = FakeClock()
        self.kernel = fake_kernel(request, self.clock)
        (self.path,) = self.kernel.chips
        self.script = sorted((self.clock.ns + at_ms * MS, line) for at_ms, line in script)
        leap = self.clock.sleep_until_ns

        def sleep_until_ns(due_ns: int) -> None:
            while self.script and self.script[0][0] <= due_ns:
                at_ns, line = self.script.pop(0)
                leap(at_ns)
                self.kernel.press(self.path, line, True)
                self.kernel.press(self.path, line, False)
            leap(due_ns)

        self.clock.sleep_until_ns = sleep_until_ns  # type: ignore[method-assign]
        self.kernel.sleep_ns = lambda ns: sleep_until_ns(self.clock.ns + ns)

    def line(self, number: int) -> GpioLine:
        return GpioLine(self.path, number)


def test_stamps_are_places_where_there_is_no_encoder(request: pytest.FixtureRequest) -> None:
    script = [(10, 0), (11, 0), (60, 0), (110, 0), (90, 1), (140, 1), (190, 1), (400, 0)]
    context = Bench(request, script)
    began = context.clock.ns
    first, second = GpioTrigger(context.line(0)), GpioTrigger(context.line(1))
    eyes = TwoEyes(first, second, None, clock=context.clock, debounce=5 * MS)
    watched = eyes.watch(3, most=100 * MS, wait_s=5)
    assert [(place - began) / MS for place in watched.first] == [10, 60, 110]  # one was a bounce
    assert [(place - began) / MS for place in watched.second] == [90, 140, 190]
    assert (watched.began, watched.ended >= watched.first[-1] + 100 * MS) == (began, True)


def test_counts_are_places_where_there_is_one(request: pytest.FixtureRequest) -> None:
    """A count each millisecond, from 0 on; then the belt is twice as fast."""
    counts = [(at, 2) for at in range(1, 100)] + [(100 + n // 2, 2) for n in range(400)]
    parts = [(20, 0), (50, 0), (80, 0), (60, 1), (90, 1), (110, 1)]
    context = Bench(request, [*counts, *parts])
    first, second = GpioTrigger(context.line(0)), GpioTrigger(context.line(1))
    encoder = GpioEncoder(context.line(2), clock=context.clock)
    eyes = TwoEyes(first, second, encoder, clock=context.clock, debounce=1)
    watched = eyes.watch(3, most=150, wait_s=5)
    assert watched.first == pytest.approx((20, 50, 80), abs=1)
    assert watched.second == pytest.approx((60, 90, 121), abs=2)
    assert watched.ended > watched.first[-1] + 150


def test_nothing_comes(request: pytest.FixtureRequest) -> None:
    context = Bench(request, [(5, 0)])
    first, second = GpioTrigger(context.line(0)), GpioTrigger(context.line(1))
    eyes = TwoEyes(first, second, None, clock=context.clock, debounce=1)
    watched = eyes.watch(3, most=100 * MS, wait_s=0.5)
    assert len(watched.first) == 1
    first.close()
    eyes = TwoEyes(first, second, None, clock=context.clock, debounce=1)
    with pytest.raises(DeviceError, match="wait after close"):
        eyes.watch(3, most=100 * MS, wait_s=0.5)
