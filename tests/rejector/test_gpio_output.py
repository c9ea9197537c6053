"""A rejector that drives a GPIO line: its arguments, and the error when the line is in use."""

import subprocess
import sys
from pathlib import Path

import pytest

from edge.assembly.station import make_rejector
from edge.clock import MonotonicClock
from edge.config.station import load_config
from edge.devices.gpio import GpioLine
from edge.devices.output_gpio import GpioOutput
from edge.devices.output_simulated import SimulatedOutput
from edge.errors import DeviceError
from edge.rejector.__main__ import _output
from edge.rejector.client import RejectorClient
from edge.rejector.options import RejectorOptions, parse_arguments
from tests.devices.clocks import FakeClock
from tests.devices.triggers import fake_kernel
from tests.support.configurations import SMALLEST

CLOCK = MonotonicClock()
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("line", [17, "17", "GPIO17"])
@pytest.mark.parametrize("active_low", [True, False])
def test_the_line_survives_the_command_line(line, active_low):
    gpio = GpioLine("pinctrl-rp1", line, active_low)
    options = RejectorOptions(pulse_us=5, gpio=gpio, drive="open-drain")
    assert parse_arguments(options.arguments(5)) == (5, options)


def test_a_chip_without_a_line_is_refused(capsys):
    plain = RejectorOptions(pulse_us=5).arguments(3)
    with pytest.raises(SystemExit) as caught:
        parse_arguments([*plain, "--gpio-chip=a"])
    assert caught.value.code == 2
    assert "needs a line" in capsys.readouterr().err


def test_what_station_toml_says_reaches_the_line(request, tmp_path):
    kernel = fake_kernel(request, FakeClock())
    (chip,) = kernel.chips
    path = tmp_path / "station.toml"
    lines = 'kind = "gpio"\nchip = "fake-chip"\nline = 3\nactive_low = true\ndrive = "open-drain"\n'
    path.write_text(f"{SMALLEST}[output]\n{lines}")
    options = make_rejector(load_config(path), clock=CLOCK)._options
    output = _output(parse_arguments(options.arguments(9))[1], CLOCK)
    assert isinstance(output, GpioOutput)
    output.set(True)
    assert kernel.line(chip, 3).history == [True, False]  # claimed inactive, which is high; active
    path.write_text(SMALLEST)
    options = make_rejector(load_config(path), clock=CLOCK)._options
    assert isinstance(_output(options, CLOCK), SimulatedOutput)


def test_a_line_that_cannot_be_claimed_keeps_the_station_from_starting_and_says_why(capfd):
    options = RejectorOptions(
        pulse_us=5, gpio=GpioLine("/dev/no-such-chip", 1), realtime_priority=0
    )
    client = RejectorClient(options, clock=CLOCK)
    with pytest.raises(DeviceError, match="rejector: did not become ready"):
        client.start(lambda report: None)
    client.close(1.0)
    assert "gpio: line 1 of /dev/no-such-chip: no such chip or line" in capfd.readouterr().err


def test_libgpiod_brings_no_heavy_library_into_the_process():
    code = "import sys, gpiod; print(sorted(m for m in sys.modules if '.' not in m))"
    names = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert not {"numpy", "cv2", "pydantic", "asyncio", "multiprocessing"} & set(names.split())
