"""Run inside the emulated machine by tests/system/run.py: the real kernel's chip and camera.

The host sees the pins of the PL061 and presses its line 3, which is the machine's power button.
Lines on the console hold its instructions and the progress.
"""

import time
from itertools import pairwise
from pathlib import Path

import pytest

from edge.clock import MonotonicClock
from edge.devices.camera_v4l2 import V4l2Camera, V4l2Settings
from edge.devices.gpio import GpioLine
from edge.devices.output_gpio import GpioOutput
from edge.devices.trigger_gpio import GpioTrigger
from edge.errors import DeviceError

CHIP = "9030000.pl061"
CLOCK = MonotonicClock()
MS = 1_000_000


def tell(words: str) -> None:
    """A line for the host, past what pytest captures."""
    Path("/dev/console").write_text(f"\nSYSTEM {words}\n")


def test_an_output_is_driven_and_the_host_sees_the_pin():
    output = GpioOutput(GpioLine(CHIP, 5))
    tell("output begins")
    time.sleep(1.0)
    for active in (True, False, True, False):
        output.set(active)
        time.sleep(1.0)
    tell("output ends")
    output.close()


def test_an_output_that_is_active_low_is_claimed_high_and_never_goes_low_but_for_a_eject():
    GpioOutput(GpioLine(CHIP, 6, active_low=False)).close()
    output = GpioOutput(GpioLine(CHIP, 6, active_low=True))
    time.sleep(1.0)  # the host has seen the claim by then
    tell("active-low begins")
    time.sleep(1.0)
    output.set(True)
    time.sleep(1.0)
    output.set(False)
    time.sleep(1.0)
    tell("active-low ends")
    output.close()


def test_a_claimed_line_is_busy():
    held = GpioOutput(GpioLine(CHIP, 7))
    with pytest.raises(DeviceError, match=f"line 7 of {CHIP}: device or resource busy"):
        GpioOutput(GpioLine(CHIP, 7))
    held.close()
    GpioOutput(GpioLine(CHIP, 7)).close()


def test_a_line_that_is_not_there_and_a_chip_that_is_not_there():
    with pytest.raises(DeviceError, match=r"line 8 of .*: line offset of out range"):
        GpioOutput(GpioLine(CHIP, 8))
    with pytest.raises(DeviceError, match=f"no chip is labelled rp1; available: .*{CHIP}"):
        GpioOutput(GpioLine("rp1", 1))
    with pytest.raises(DeviceError, match=r"line GPIO17 of .*: no such chip or line"):
        GpioOutput(GpioLine(CHIP, "GPIO17"))


def test_edges_that_the_host_makes_are_numbered_and_stamped_when_they_happened():
    trigger = GpioTrigger(GpioLine(CHIP, 3))
    began_ns = CLOCK.now_ns()
    tell("press")
    edges = []
    while len(edges) < 3 and CLOCK.now_ns() - began_ns < 60_000 * MS:
        edge = trigger.wait(1.0)
        if edge is not None:
            assert began_ns <= edge.at_ns <= CLOCK.now_ns()
            edges.append(edge)
    time.sleep(2.0)  # the next ones are read late
    read_ns = CLOCK.now_ns()
    late = [trigger.wait(0.0), trigger.wait(0.0)]
    tell("release")
    assert all(edge is not None and edge.at_ns < read_ns for edge in late)
    edges += late
    assert [edge.sequence for edge in edges] == [1, 2, 3, 4, 5]
    assert all(before.at_ns < after.at_ns for before, after in pairwise(edges))
    assert trigger.lost == 0
    trigger.close()


def test_vivid_gives_fresh_frames_after_pauses():
    device = Path("/dev/video0")
    assert device.exists()
    settings = V4l2Settings(device, 640, 360, "yuyv", timeout_ns=10_000 * MS)
    camera = V4l2Camera(settings, clock=CLOCK)
    try:
        for number in range(1, 11):
            if number in (4, 8):
                time.sleep(1.0)
            triggered_ns = CLOCK.now_ns()
            frame = camera.capture(number, number, triggered_ns)
            assert triggered_ns <= frame.exposed_ns <= CLOCK.now_ns()
            assert frame.pixels.shape == (360, 640, 3)
            assert frame.pixels.std() > 10
        tell(f"vivid stamps are ahead of the clock by up to {camera._ahead_ns / 1e6:.3f} ms")
        assert camera.drained >= 8
    finally:
        camera.close()


def test_vivids_controls():
    settings = V4l2Settings(Path("/dev/video0"), 640, 360, "grey", gain=50, timeout_ns=10_000 * MS)
    V4l2Camera(settings, clock=CLOCK).close()
    with pytest.raises(DeviceError, match="sets gain to 255 instead of 5000"):
        V4l2Camera(V4l2Settings(Path("/dev/video0"), 640, 360, "grey", gain=5000), clock=CLOCK)
    with pytest.raises(DeviceError, match="has no control of its exposure"):
        V4l2Camera(
            V4l2Settings(Path("/dev/video0"), 640, 360, "grey", exposure_us=100), clock=CLOCK
        )
