"""An encoder and an ejector's eye at GPIO lines: from station.toml to the lines."""

from pathlib import Path

import pytest

from edge.assembly.station import make_rejector
from edge.clock import MonotonicClock
from edge.config.station import load_config
from edge.devices.encoder import EncoderPosition
from edge.devices.gpio import GpioLine
from edge.devices.trigger import TriggerEdge
from edge.errors import ConfigError
from edge.rejector.hardware import GpioEncoderSpec, GpioEyeSpec, open_encoder, open_eye
from edge.rejector.options import parse_arguments
from tests.devices.clocks import FakeClock
from tests.devices.triggers import fake_kernel

CLOCK = MonotonicClock()
HEAD = """
id = "press-1"
bundle = "models/tiles.outfeed"
state_dir = "state"
[camera]
kind = "files"
path = "frames"
[line]
travel_counts = 800
budget_ms = 100
[trigger]
kind = "gpio"
chip = "fake-chip"
line = 0
"""
ENCODER = """
[encoder]
kind = "gpio"
chip = "fake-chip"
line_a = 1
line_b = 2
max_counts_per_s = 2000
"""
EYE = """
[ejector_eye]
kind = "gpio"
chip = "fake-chip"
line = 3
to_ejector_counts = 100
tolerance_counts = 20
"""


def options(path: Path, text: str):
    path.write_text(text)
    made = make_rejector(load_config(path), clock=CLOCK)._options
    told, again = parse_arguments(made.arguments(7))
    assert (told, again) == (7, made)
    return again


def refusal(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_an_encoder_and_an_eye_reach_their_lines(request, tmp_path):
    kernel = fake_kernel(request, FakeClock())
    (chip,) = kernel.chips
    made = options(tmp_path / "station.toml", HEAD + ENCODER + EYE)
    encoder = open_encoder(made.counts.encoder, clock=CLOCK)
    eye = open_eye(made.ejector_eye.eye, clock=CLOCK)
    (start,) = encoder.read()
    kernel.press(chip, 1, True)
    kernel.press(chip, 2, True)
    assert encoder.read() == [EncoderPosition(n, start.at_ns) for n in (1, 2)]
    kernel.press(chip, 3, True)
    assert eye.wait(0) == TriggerEdge(1, kernel.now_ns())
    encoder.close()
    eye.close()


def test_every_key_of_the_encoder_and_of_the_eye(tmp_path):
    path = tmp_path / "station.toml"
    single = ENCODER.replace("line_b = 2\n", 'channels = "single"\n')
    single += 'active_low = true\nbias = "pull-up"\n'
    eye = EYE.replace("line = 3", 'line = "EYE"')
    eye += 'active_low = true\nedge = "falling"\nbias = "pull-down"\n'
    made = options(path, HEAD + single + eye)
    assert made.counts.encoder == GpioEncoderSpec(GpioLine("fake-chip", 1, True), None, "pull-up")
    assert made.ejector_eye.eye == GpioEyeSpec(
        GpioLine("fake-chip", "EYE", True), "falling", "pull-down"
    )
    plain = options(path, HEAD + ENCODER + EYE)
    assert plain.counts.encoder == GpioEncoderSpec(
        GpioLine("fake-chip", 1), GpioLine("fake-chip", 2)
    )
    assert plain.ejector_eye.eye == GpioEyeSpec(GpioLine("fake-chip", 3))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("line_b = 2\n", "", "key 'encoder': quadrature needs line_b"),
        ("line_b = 2\n", "line_b = 2\nchannels = 'single'\n", "key 'encoder': quadrature needs"),
        ("line_a = 1\n", "", "key 'encoder': kind gpio needs line_a"),
        ("line_a = 1\n", "line_a = 1\nstops = 0.1\n", "key 'encoder': stops is of kind simulated"),
        ("line = 3\n", "", "key 'ejector_eye': kind gpio needs line"),
        ("line = 3\n", "line = 3\ntaken = 0.1\n", "key 'ejector_eye': taken is of kind simulated"),
        (
            '[trigger]\nkind = "gpio"\nchip = "fake-chip"\nline = 0\n',
            "",
            "encoder.kind and trigger.kind must both be gpio, or neither",
        ),
    ],
)
def test_what_does_not_go_together_is_named(tmp_path, old, new, said):
    text = HEAD + ENCODER + EYE
    assert text.count(old) == 1
    assert refusal(tmp_path / "station.toml", text.replace(old, new)).startswith(said)
