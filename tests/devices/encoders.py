"""Encoders at GPIO lines, each with the hand that turns its shaft."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.clock import MonotonicClock
from edge.devices.encoder_gpio import GpioEncoder
from edge.devices.gpio import GpioLine
from tests.devices.fake_gpio import FakeKernel, FakeLine
from tests.devices.gpio_sim import SimChip

# Levels of a and b as the belt runs forward.
FORWARD = [(False, False), (True, False), (True, True), (False, True)]


@dataclass
class Shaft:
    """press: set a line, 0 is a and 1 is b, to high or low. single: turn by whole pulses of a."""

    press: Callable[[int, bool], None]
    single: bool
    phase: int = 0

    def turn(self, counts: int) -> None:
        """Forward if positive, one edge after the other."""
        for _ in range(abs(counts)):
            if self.single:
                self.press(0, True)
                self.press(0, False)
                continue
            self.phase += 1 if counts > 0 else -1
            for line, high in enumerate(FORWARD[self.phase % 4]):
                self.press(line, high)


def fake_gpio_encoder(*, single: bool = False) -> tuple[GpioEncoder, Shaft, FakeKernel]:
    """On a chip that is not there. The stand-in is needed while the lines are claimed, and gone
    afterwards."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = str(Path(folder) / "gpiochip0")
        kernel = FakeKernel(time.monotonic_ns, lambda ns: time.sleep(ns / 1e9))
        kernel.chips[path] = ("fake-chip", [FakeLine("A"), FakeLine("B")])
        kernel.install(patch, Path(folder))
        b = None if single else GpioLine("fake-chip", "B")
        encoder = GpioEncoder(GpioLine("fake-chip", "A"), b, clock=MonotonicClock())
    return encoder, Shaft(lambda line, high: kernel.press(path, line, high), single), kernel


def sim_gpio_encoder(*, single: bool = False) -> tuple[GpioEncoder, Shaft, SimChip]:
    """On gpio-sim; skips the test where the kernel has none."""
    chip = SimChip()
    for line in (0, 1):
        chip.pull(line, False)
    b = None if single else GpioLine(chip.label, 1)
    encoder = GpioEncoder(GpioLine(chip.label, 0), b, clock=MonotonicClock())
    high = {0: False, 1: False}

    def press(line: int, level: bool) -> None:
        if level != high[line]:
            high[line] = level
            chip.pull(line, level)

    return encoder, Shaft(press, single), chip
