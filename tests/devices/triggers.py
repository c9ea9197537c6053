"""Triggers at a GPIO line, and how a test makes a part pass each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from edge.devices.gpio import GpioLine
from edge.devices.trigger import Trigger
from edge.devices.trigger_gpio import GpioTrigger
from tests.devices.clocks import MS, FakeClock
from tests.devices.fake_gpio import FakeKernel, FakeLine
from tests.devices.gpio_sim import SimChip


@dataclass
class TriggerRig:
    """A trigger that no test has waited for yet, and the clock of its stamps."""

    trigger: Trigger
    now_ns: Callable[[], int]

    def pass_parts(self, count: int) -> list[tuple[int, int]]:
        """Let parts pass, before anybody reads; when each edge was: not before, not after."""
        raise NotImplementedError


@dataclass
class PulledRig(TriggerRig):
    """A line that the test can pull: rising is a part."""

    pull: Callable[[bool], None]
    pause: Callable[[], None]

    def pass_parts(self, count: int) -> list[tuple[int, int]]:
        windows = []
        for _ in range(count):
            before_ns = self.now_ns()
            self.pull(True)
            self.pause()
            windows.append((before_ns, self.now_ns()))
            self.pull(False)
            self.pause()
        return windows


def fake_kernel(request: pytest.FixtureRequest, clock: FakeClock, lines: int = 4) -> FakeKernel:
    """A machine with one chip, /dev/gpiochip0 to Outfeed, that is not there."""
    folder = request.getfixturevalue("tmp_path")
    kernel = FakeKernel(clock.now_ns, lambda ns: clock.sleep_until_ns(clock.ns + ns))
    kernel.chips[str(folder / "gpiochip0")] = ("fake-chip", [FakeLine() for _ in range(lines)])
    return kernel.install(request.getfixturevalue("monkeypatch"), folder)


def fake_gpio_trigger(request: pytest.FixtureRequest) -> Iterator[TriggerRig]:
    clock = FakeClock()
    kernel = fake_kernel(request, clock)
    (path,) = kernel.chips

    def pause() -> None:
        clock.ns += 10 * MS

    trigger = GpioTrigger(GpioLine(path, 1))
    yield PulledRig(trigger, clock.now_ns, lambda high: kernel.press(path, 1, high), pause)


def sim_gpio_trigger(_: pytest.FixtureRequest) -> Iterator[TriggerRig]:
    chip = SimChip()
    chip.pull(1, False)
    trigger = GpioTrigger(GpioLine(chip.label, 1))
    yield PulledRig(
        trigger, time.monotonic_ns, lambda high: chip.pull(1, high), lambda: time.sleep(0.001)
    )
    trigger.close()
    chip.close()
