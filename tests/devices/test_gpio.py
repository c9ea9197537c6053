"""GPIO lines by libgpiod: the requests to the kernel, and the errors where it refuses."""

import builtins
import inspect

import gpiod
import pytest
from gpiod.line import Bias, Clock, Direction, Drive, Edge, Value

from edge.devices.gpio import GpioLine
from edge.devices.output_gpio import GpioOutput
from edge.devices.trigger import TriggerEdge
from edge.devices.trigger_gpio import GpioTrigger
from edge.errors import ConfigError, DeviceError
from tests.devices.clocks import MS, FakeClock
from tests.devices.fake_gpio import FakeChip, FakeLine, FakeRequest
from tests.devices.triggers import fake_kernel


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def kernel(request, clock):
    return fake_kernel(request, clock)


@pytest.fixture
def path(kernel):
    (path,) = kernel.chips
    return path


@pytest.mark.parametrize(
    ("fake", "real", "names"),
    [
        (FakeChip, gpiod.Chip, ["get_info", "line_offset_from_id", "request_lines", "close"]),
        (
            FakeRequest,
            gpiod.LineRequest,
            ["set_value", "get_value", "wait_edge_events", "read_edge_events", "fileno", "release"],
        ),
    ],
)
def test_the_stand_in_is_called_as_the_library_is(fake, real, names):
    for name in names:
        ours, theirs = (inspect.signature(getattr(one, name)) for one in (fake, real))
        assert list(ours.parameters) == list(theirs.parameters)
        assert [p.default for p in ours.parameters.values()] == [
            p.default for p in theirs.parameters.values()
        ]


def test_a_trigger_asks_for_an_input_with_stamps_of_the_monotonic_clock(kernel, path):
    GpioTrigger(GpioLine(path, 3))
    line = kernel.line(path, 3)
    settings = line.settings
    assert settings == gpiod.LineSettings(
        direction=Direction.INPUT, edge_detection=Edge.RISING, event_clock=Clock.MONOTONIC
    )
    assert (line.consumer, line.buffer) == ("outfeed", 1024)


def test_every_option_of_a_trigger_reaches_the_kernel(kernel, path):
    GpioTrigger(GpioLine(path, 0, active_low=True), slope="falling", debounce_us=1500)
    settings = kernel.line(path, 0).settings
    assert (settings.edge_detection, settings.active_low) == (Edge.FALLING, True)
    assert settings.debounce_period.total_seconds() == 0.0015
    biases = {
        "as-is": Bias.AS_IS,
        "disabled": Bias.DISABLED,
        "pull-up": Bias.PULL_UP,
        "pull-down": Bias.PULL_DOWN,
    }
    for said, meant in biases.items():
        trigger = GpioTrigger(GpioLine(path, 1), bias=said)
        assert kernel.line(path, 1).settings.bias is meant
        trigger.close()


@pytest.mark.parametrize(("active_low", "slope"), [(True, "rising"), (False, "falling")])
def test_the_edge_is_a_logical_one(kernel, path, clock, active_low, slope):
    kernel.line(path, 0).high = True
    trigger = GpioTrigger(GpioLine(path, 0, active_low), slope=slope)
    kernel.press(path, 0, False)
    at_ns = clock.ns
    clock.ns += 5 * MS
    kernel.press(path, 0, True)
    assert [trigger.wait(0.01), trigger.wait(0.01)] == [TriggerEdge(1, at_ns), None]


def test_edges_that_the_kernel_dropped_are_a_gap_a_count_and_a_line_in_the_log(
    kernel, path, clock, caplog
):
    trigger = GpioTrigger(GpioLine(path, 0))
    for _ in range(1030):
        clock.ns += MS
        kernel.press(path, 0, True)
        kernel.press(path, 0, False)
    first = trigger.wait(0)
    assert first == TriggerEdge(7, 1_007 * MS)
    assert trigger.wait(0).sequence == 8
    assert trigger.lost == 6
    assert [r.message.split(":")[0] for r in caplog.records] == [
        f"edges_lost count=6 on=line 0 of {path}"
    ]


def test_the_kernels_count_of_32_bits_may_wrap(kernel, path):
    trigger = GpioTrigger(GpioLine(path, 0))
    kernel.line(path, 0).sequence = (1 << 32) - 2
    for _ in range(4):
        kernel.press(path, 0, True)
        kernel.press(path, 0, False)
    sequences = [trigger.wait(0).sequence for _ in range(4)]
    assert sequences == [(1 << 32) + n for n in (-1, 0, 1, 2)]
    assert trigger.lost == (1 << 32) - 2  # before the first: none of ours, but no one read them


@pytest.mark.parametrize(
    ("drive", "meant"),
    [
        ("push-pull", Drive.PUSH_PULL),
        ("open-drain", Drive.OPEN_DRAIN),
        ("open-source", Drive.OPEN_SOURCE),
    ],
)
def test_an_output_is_claimed_inactive_in_one_step(kernel, path, drive, meant):
    GpioOutput(GpioLine(path, 1, active_low=True), drive=drive)
    line = kernel.line(path, 1)
    assert line.settings == gpiod.LineSettings(
        direction=Direction.OUTPUT, output_value=Value.INACTIVE, active_low=True, drive=meant
    )
    assert line.history == [True]  # from low, which is active, to inactive and to nothing else


def test_a_chip_is_found_by_its_label_and_a_line_by_its_name(kernel, path, tmp_path):
    second = str(tmp_path / "gpiochip1")
    kernel.chips[second] = ("pinctrl-rp1", [FakeLine("ID_SDA"), FakeLine("GPIO17")])
    (tmp_path / "gpiochip1").touch()
    (tmp_path / "gpiochip4").symlink_to("gpiochip1")  # as Raspberry Pi OS has had it
    output = GpioOutput(GpioLine("pinctrl-rp1", "GPIO17"))
    output.set(True)
    assert kernel.line(second, 1).high is True
    assert kernel.line(second, 0).consumer is None


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (GpioLine("{}/none", 1), "gpio: line 1 of {}/none: no such chip or line (gpiodetect and"),
        (GpioLine("rp1", 1), "gpio: no chip is labelled rp1; available: fake-chip"),
        (GpioLine("fake-chip", "GPIO9"), "gpio: line GPIO9 of fake-chip: no such chip or line"),
        (GpioLine("fake-chip", 4), "gpio: line 4 of fake-chip: line offset of out range"),
        (GpioLine("fake-chip", 0), "gpio: line 0 of fake-chip: device or resource busy"),
        (GpioLine("{}/locked", 1), "gpio: line 1 of {}/locked: not permitted (is the user in the"),
    ],
)
def test_what_cannot_be_claimed_is_one_line(kernel, path, tmp_path, where, said):
    GpioOutput(GpioLine(path, 0))
    kernel.chips[f"{tmp_path}/locked"] = ("locked", [FakeLine()])
    kernel.forbidden.add(f"{tmp_path}/locked")
    where = GpioLine(where.chip.format(tmp_path), where.line)
    for claim in (GpioOutput, GpioTrigger):
        with pytest.raises(DeviceError) as caught:
            claim(where)
        assert str(caught.value).startswith(said.format(tmp_path))
        assert "\n" not in str(caught.value)


def test_two_chips_of_one_label_are_named(kernel, path, tmp_path):
    kernel.chips[f"{tmp_path}/gpiochip7"] = ("fake-chip", [FakeLine()])
    (tmp_path / "gpiochip7").touch()
    with pytest.raises(
        DeviceError, match=r"several chips are labelled fake-chip: .*gpiochip0, .*gpiochip7"
    ):
        GpioOutput(GpioLine("fake-chip", 0))


def test_a_chip_that_goes_away_is_a_device_error(kernel, path):
    trigger, output = GpioTrigger(GpioLine(path, 0)), GpioOutput(GpioLine(path, 1))
    for number in (0, 1):
        kernel.line(path, number).gone = True
    with pytest.raises(DeviceError, match=f"gpio: line 0 of {path}: no such device"):
        trigger.wait(1)
    with pytest.raises(DeviceError, match=f"gpio: line 1 of {path}: no such device"):
        output.set(True)


def test_without_the_library_the_line_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name == "gpiod":
            raise ImportError("No module named 'gpiod'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigError, match=r"pip install 'gpiod>=2\.2'"):
        GpioOutput(GpioLine("chip", 0))
