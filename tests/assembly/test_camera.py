"""The keys of [camera] reach the camera."""

from pathlib import Path

import pytest

from edge.assembly import camera as live_camera
from edge.assembly.station import make_camera, make_trigger
from edge.clock import MonotonicClock
from edge.config.station import load_config
from edge.devices.camera_pi import PiSettings
from edge.devices.camera_reopening import ReopeningCamera
from edge.devices.camera_v4l2 import V4l2Settings
from edge.devices.trigger_gpio import GpioTrigger
from edge.errors import DeviceError
from edge.line.freshness import FreshnessRules
from edge.sim.belt import SimulatedBelt
from tests.devices.clocks import FakeClock
from tests.devices.streams import JpegStream
from tests.devices.triggers import fake_kernel
from tests.support.configurations import PI, SMALLEST, STREAM, V4L2, load, with_section

CLOCK = MonotonicClock()
MS = 1_000_000


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """The settings that a camera is opened with, for lines of [camera]."""

    def of(lines: str) -> object:
        given = []

        def remember(one: object, *, clock: object) -> None:
            given.append(one)

        for kind in ("PiCamera", "V4l2Camera"):
            monkeypatch.setattr(live_camera, kind, remember)
        camera = load(tmp_path / "station.toml", with_section("camera", lines)).camera
        live_camera.open_live_camera(camera, clock=CLOCK)
        return given[0]

    return of


def test_a_pi_camera(settings):
    assert settings(PI) == PiSettings(640, 480)
    told = "index = 1\npixel_format = 'grey'\nrate_hz = 50\nexposure_us = 300\ngain = 2\n"
    told += "colour_gains = [1.5, 2]\ntriggered = true\nearly_ms = 0.5\ntimeout_ms = 200\n"
    assert settings(PI + told) == PiSettings(
        640,
        480,
        index=1,
        pixel_format="grey",
        rate_hz=50.0,
        exposure_us=300,
        gain=2.0,
        colour_gains=(1.5, 2.0),
        triggered=True,
        early_ns=MS // 2,
        timeout_ns=200 * MS,
    )


def test_a_v4l2_camera(settings):
    assert settings(V4L2) == V4l2Settings(Path("/dev/video0"), 640, 480)
    told = "pixel_format = 'mjpeg'\nrate_hz = 50\nexposure_us = 300\ngain = 2\ntriggered = true\n"
    told += "latency_ms = 2.5\nearly_ms = 0.5\ntimeout_ms = 200\n"
    assert settings(V4L2 + told) == V4l2Settings(
        Path("/dev/video0"),
        640,
        480,
        pixel_format="mjpeg",
        rate_hz=50.0,
        exposure_us=300,
        gain=2.0,
        triggered=True,
        latency_ns=2_500_000,
        early_ns=MS // 2,
        timeout_ns=200 * MS,
    )


def test_a_stream_is_opened_and_read(tmp_path):
    served = JpegStream()
    lines = STREAM.replace("rtsp://a/b", served.url).replace("80", "0")
    config = load(tmp_path / "station.toml", with_section("camera", f"{lines}timeout_ms = 5000"))
    camera = make_camera(config.camera, clock=CLOCK)
    assert isinstance(camera, ReopeningCamera)
    triggered_ns = CLOCK.now_ns()
    assert camera.capture(1, 1, triggered_ns).exposed_ns >= triggered_ns
    camera.close()
    served.close()


def test_a_sensor_that_is_not_there_is_tried_for(tmp_path):
    lines = V4L2.replace("/dev/video0", str(tmp_path / "video9"))
    config = load(tmp_path / "station.toml", with_section("camera", lines))
    camera = make_camera(config.camera, clock=CLOCK)
    reason = r"video9: no such file or directory \(lost; trying to open it"
    with pytest.raises(DeviceError, match=reason):
        camera.capture(1, 1, CLOCK.now_ns())
    camera.close()


def test_the_rules_of_its_frames(tmp_path):
    path = tmp_path / "station.toml"
    assert live_camera.freshness_rules(load(path, SMALLEST).camera) == FreshnessRules()
    told = with_section("camera", f"{PI}early_ms = 0.5\nexposed_within_ms = 40")
    rules = live_camera.freshness_rules(load(path, told).camera)
    assert rules == FreshnessRules(live=True, early_ns=MS // 2, within_ns=40 * MS)


def test_a_photo_eye_and_a_belt(request, tmp_path):
    kernel = fake_kernel(request, FakeClock())
    (chip,) = kernel.chips
    path = tmp_path / "station.toml"
    lines = '[trigger]\nkind = "gpio"\nchip = "fake-chip"\nline = 2\nactive_low = true\n'
    path.write_text(f'{SMALLEST}{lines}edge = "falling"\nbias = "pull-up"\ndebounce_us = 300\n')
    trigger = make_trigger(load_config(path), clock=CLOCK)
    assert isinstance(trigger, GpioTrigger)
    asked = kernel.line(chip, 2).settings
    assert (asked.active_low, asked.edge_detection.name, asked.bias.name) == (
        True,
        "FALLING",
        "PULL_UP",
    )
    assert asked.debounce_period.microseconds == 300
    path.write_text(SMALLEST)
    assert isinstance(make_trigger(load_config(path), clock=CLOCK), SimulatedBelt)


def test_a_stream_s_least_and_longest_latency(tmp_path, monkeypatch):
    given: dict[str, object] = {}
    monkeypatch.setattr(live_camera, "StreamCamera", lambda url, **more: given.update(more))
    lines = f"{STREAM}least_latency_ms = 60\n"
    camera = load(tmp_path / "station.toml", with_section("camera", lines)).camera
    live_camera.open_live_camera(camera, clock=CLOCK)
    assert (given["least_latency_ns"], given["latency_ns"]) == (60 * MS, 80 * MS)
