"""The camera of [camera]."""

from __future__ import annotations

from functools import partial

from edge.clock import Clock
from edge.config.camera import CameraConfig
from edge.devices.camera import Camera
from edge.devices.camera_pi import PiCamera, PiSettings
from edge.devices.camera_reopening import ReopeningCamera
from edge.devices.camera_stream import StreamCamera
from edge.devices.camera_v4l2 import PixelFormat, V4l2Camera, V4l2Settings
from edge.line.freshness import FreshnessRules

_PACKED: dict[str | None, PixelFormat] = {"grey": "grey", "mjpeg": "mjpeg"}


def make_live_camera(config: CameraConfig, *, clock: Clock) -> ReopeningCamera:
    """Return the camera, which is opened again until it answers.

    Raises ConfigError where a library is missing.
    """
    return ReopeningCamera(
        partial(open_live_camera, config, clock=clock), retry_max_s=config.retry_max_s
    )


def freshness_rules(config: CameraConfig) -> FreshnessRules:
    """Return the rules for the exposure times of this camera's frames."""
    return FreshnessRules(config.live, config.early_ns, config.within_ns)


def open_live_camera(config: CameraConfig, *, clock: Clock) -> Camera:
    """Open the camera, with one attempt. Raises DeviceError if it cannot be opened."""
    timeout_ns = round(config.timeout_ms * 1e6)
    latency_ns = None if config.latency_ms is None else round(config.latency_ms * 1e6)
    if config.kind == "stream":
        assert config.url is not None  # CameraConfig has checked these
        assert latency_ns is not None
        return StreamCamera(
            config.url,
            latency_ns=latency_ns,
            least_latency_ns=round(config.least_latency_ms * 1e6),
            early_ns=config.early_ns,
            timeout_ns=timeout_ns,
            clock=clock,
        )
    assert config.width is not None
    assert config.height is not None
    if config.kind == "pi":
        pi = PiSettings(
            config.width,
            config.height,
            index=config.index,
            pixel_format="grey" if config.pixel_format == "grey" else "bgr",
            rate_hz=config.rate_hz,
            exposure_us=config.exposure_us,
            gain=config.gain,
            colour_gains=config.colour_gains,
            triggered=config.triggered,
            early_ns=config.early_ns,
            timeout_ns=timeout_ns,
        )
        return PiCamera(pi, clock=clock)
    assert config.device is not None
    v4l2 = V4l2Settings(
        config.device,
        config.width,
        config.height,
        pixel_format=_PACKED.get(config.pixel_format, "yuyv"),
        rate_hz=config.rate_hz,
        exposure_us=config.exposure_us,
        gain=config.gain,
        triggered=config.triggered,
        latency_ns=latency_ns,
        early_ns=config.early_ns,
        timeout_ns=timeout_ns,
    )
    return V4l2Camera(v4l2, clock=clock)
