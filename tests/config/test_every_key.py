"""Every key of station.toml is read, with the value that the file gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from edge.config.station import StationConfig
from tests.support.configurations import (
    BELT_OPTIONS,
    DRIFT_OPTIONS,
    GPIO,
    PI,
    PICTURE_OPTIONS,
    REQUIRED,
    SMALLEST,
    STREAM,
    V4L2,
    load,
    with_section,
)
from tests.support.keys import TRUST

# Section, key, TOML value, value in the model: every key that is not in SMALLEST.
OPTIONS: list[tuple[str, str, str, Any]] = [
    ("camera", "loop", "true", True),
    ("line", "pulse_ms", "5.5", 5.5),
    ("line", "debounce_ms", "3", 3.0),
    ("line", "on_unknown", '"pass"', "pass"),
    ("line", "purge_at_start", "false", False),
    ("line", "require_commission", "true", True),
    ("trust", "keys", f'["{TRUST}", "/a/b.pub"]', (TRUST, Path("/a/b.pub"))),
    ("trust", "operator_keys", f'["{TRUST}", "/a/ada.pub"]', (TRUST, Path("/a/ada.pub"))),
    ("trust", "compatible", '"press-line"', "press-line"),
    ("trust", "allow_downgrade", "true", True),
    ("trigger", "kind", '"belt"', "belt"),
    ("trigger", "rate_hz", "25", 25.0),
    ("trigger", "jitter", "0.2", 0.2),
    ("trigger", "parts", "12", 12),
    ("trigger", "seed", "3", 3),
    ("trigger", "ejector_at", "510", 510.0),
    ("engine", "kind", '"openvino"', "openvino"),
    ("engine", "precision", '"float32"', "float32"),
    ("engine", "providers", '["CUDAExecutionProvider"]', ("CUDAExecutionProvider",)),
    ("engine", "threads", "4", 4),
    ("engine", "stripes", '"require"', "require"),
    ("engine", "stripes_from_px", "5_000_000", 5_000_000),
    ("output", "kind", '"simulated"', "simulated"),
    ("output", "safe_state", '"active"', "active"),
    ("output", "realtime_priority", "0", 0),
    ("output", "silence_ms", "800", 800),
    ("output", "record", '"/var/tmp/edges"', Path("/var/tmp/edges")),
    ("watchdog", "stage_s", "1.5", 1.5),
    ("watchdog", "journal_s", "60", 60.0),
    ("journal", "commit_interval_ms", "200", 200.0),
    ("journal", "max_mb", "1.5", 1.5),
    ("uplink", "start", "false", False),
    ("uplink", "host", '"broker.example"', "broker.example"),
    ("uplink", "port", "8883", 8883),
    ("uplink", "protocol", '"3.1.1"', "3.1.1"),
    ("uplink", "acknowledged_by", '"broker"', "broker"),
    ("uplink", "resend_rate_hz", "10.5", 10.5),
    ("uplink", "status_interval_s", "120", 120.0),
    ("uplink", "keepalive_s", "60", 60),
    ("uplink", "topic_prefix", '"plant/a"', "plant/a"),
    ("uplink", "username", '"station"', "station"),
    ("uplink", "connect_timeout_s", "2.5", 2.5),
    ("uplink", "max_inflight", "10", 10),
    ("uplink", "retry_max_s", "3", 3.0),
    ("upload", "url", '"https://central.plant:8484"', "https://central.plant:8484"),
    ("upload", "pictures", '"rejected"', "rejected"),
    ("upload", "max_mb_per_day", "20", 20.0),
    ("upload", "max_kb_per_s", "64", 64.0),
    ("upload", "timeout_s", "5", 5.0),
    ("upload", "retry_max_s", "60", 60.0),
    ("commands", "accept", "[]", ()),
    ("updates", "state_dir", '"/var/tmp/updater"', Path("/var/tmp/updater")),
    ("updates", "plant", '"Ulm"', "Ulm"),
    ("updates", "line", '"press"', "press"),
    ("updates", "signers", "2", 2),
    ("updates", "shadow_parts", "500", 500),
    ("updates", "shadow_rejects", "0", 0),
    ("updates", "max_mb", "200", 200.0),
    ("updates", "min_free_mb", "64.5", 64.5),
    ("updates", "max_kb_per_s", "64", 64.0),
    ("updates", "timeout_s", "5", 5.0),
    ("updates", "min_kb_per_s", "0.5", 0.5),
    ("updates", "retry_max_s", "60", 60.0),
    ("page", "bind", '"::1"', "::1"),
    ("page", "port", "9000", 9000),
    ("page", "people", '"/etc/people.json"', Path("/etc/people.json")),
    ("page", "shifts", '["00:00", "12:30"]', ("00:00", "12:30")),
    ("page", "state_dir", '"/var/tmp/page"', Path("/var/tmp/page")),
]
# Keys of one kind of device: section, its other lines, key, TOML value, value in the model.
DEVICES: list[tuple[str, str, str, str, Any]] = [
    *(
        ("trigger", GPIO, key, value, held)
        for key, value, held in [
            ("chip", '"/dev/gpiochip4"', "/dev/gpiochip4"),
            ("line", '"GPIO17"', "GPIO17"),
            ("line", "17", 17),
            ("active_low", "true", True),
            ("edge", '"falling"', "falling"),
            ("bias", '"pull-up"', "pull-up"),
            ("debounce_us", "500", 500),
        ]
    ),
    *(
        ("output", GPIO, key, value, held)
        for key, value, held in [
            ("chip", '"tegra234-gpio"', "tegra234-gpio"),
            ("line", '"PQ.05"', "PQ.05"),
            ("active_low", "true", True),
            ("drive", '"open-drain"', "open-drain"),
            ("safe_state", '"active"', "active"),
        ]
    ),
    *(
        ("camera", PI, key, value, held)
        for key, value, held in [
            ("index", "1", 1),
            ("pixel_format", '"bgr"', "bgr"),
            ("colour_gains", "[2, 1.5]", (2.0, 1.5)),
        ]
    ),
    *(
        ("camera", V4L2, key, value, held)
        for key, value, held in [
            ("device", '"/dev/v4l/by-id/cam"', Path("/dev/v4l/by-id/cam")),
            ("width", "1280", 1280),
            ("height", "720", 720),
            ("pixel_format", '"mjpeg"', "mjpeg"),
            ("rate_hz", "60", 60.0),
            ("exposure_us", "250", 250),
            ("gain", "8", 8.0),
            ("triggered", "true", True),
            ("latency_ms", "3.5", 3.5),
            ("early_ms", "0.2", 0.2),
            ("exposed_within_ms", "40", 40.0),
            ("timeout_ms", "500", 500.0),
            ("retry_max_s", "60", 60.0),
        ]
    ),
    ("camera", STREAM, "least_latency_ms", "60", 60.0),
    ("camera", STREAM, "url", '"http://cam/stream.mjpg"', "http://cam/stream.mjpg"),
]
# Tested in test_station.py, since they need each other.
TOGETHER = {"state_dir", "password_file", "tls_ca", "tls_cert", "tls_key"}
# Tested in test_page.py.
OF_PAGE = {"tls_cert", "tls_key", "marking"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "station.toml"


@pytest.mark.parametrize(("section", "key", "value", "held"), OPTIONS)
def test_each_key_is_read(path: Path, section: str, key: str, value: str, held: Any) -> None:
    head = f"[{section}]\n"
    text = SMALLEST if head in SMALLEST else SMALLEST + head
    config = load(path, text.replace(head, f"{head}{key} = {value}\n"))
    assert getattr(getattr(config, section), key) == held


@pytest.mark.parametrize(("section", "kind", "key", "value", "held"), DEVICES)
def test_each_key_of_a_device_is_read(
    path: Path, section: str, kind: str, key: str, value: str, held: Any
) -> None:
    lines = "".join(line for line in kind.splitlines(True) if not line.startswith(f"{key} ="))
    text = with_section(section, f"{lines}{key} = {value}\n")
    assert getattr(getattr(load(path, text), section), key) == held


def test_no_key_is_left_out() -> None:
    tested = {(section, key) for section, key, *_ in OPTIONS}
    tested |= {("updates", "server")}  # in test_updates.py, since it needs others
    tested |= {("uplink", key) for key in TOGETHER} | {("page", key) for key in OF_PAGE}
    tested |= {(section, key) for section, _, key, *_ in DEVICES}
    tested |= {("camera", "kind"), ("camera", "path"), ("line", "budget_ms")}
    tested |= {(section, key) for section, key, *_ in [*BELT_OPTIONS, *PICTURE_OPTIONS]} | REQUIRED
    tested |= {("drift", key) for key, *_ in DRIFT_OPTIONS}
    held = {
        (section, key)
        for section, field in StationConfig.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        for key in field.annotation.model_fields
    }
    assert held <= tested
