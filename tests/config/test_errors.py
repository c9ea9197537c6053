"""Errors in station.toml: one line that names the file and the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config.station import load_config
from edge.errors import ConfigError
from tests.support.configurations import (
    GPIO,
    PI,
    SMALLEST,
    STREAM,
    config_error,
    with_section,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "station.toml"


@pytest.mark.parametrize(
    ("section", "lines", "message"),
    [
        ("camera", f"{PI}path = 'a'", "path is of kind files and video; kind is pi"),
        ("camera", f"{STREAM}gain = 1", "gain is of kind pi and v4l2; kind is stream"),
        (
            "camera",
            "kind = 'files'\npath = 'a'\nearly_ms = 1",
            "early_ms is of kind pi and v4l2 and",
        ),
        ("camera", "kind = 'files'", "kind files needs path"),
        ("camera", "kind = 'v4l2'\nwidth = 64", "kind v4l2 needs device and height"),
        ("camera", "kind = 'stream'\nurl = 'rtsp://a'", "kind stream needs latency_ms"),
        (
            "camera",
            f"{STREAM}least_latency_ms = 81",
            "least_latency_ms must not be above latency_ms",
        ),
        (
            "camera",
            f"{PI}pixel_format = 'yuyv'",
            "pixel_format yuyv is not of kind pi: bgr or grey",
        ),
        ("camera", f"{PI}gain = 2", "kind pi needs both exposure_us and gain, or neither"),
        ("trigger", "kind = 'gpio'\nchip = 'a'", "kind gpio needs line"),
        ("trigger", f"{GPIO}rate_hz = 5", "rate_hz is of kind belt; kind is gpio"),
        ("trigger", "edge = 'falling'", "edge is of kind gpio; kind is belt"),
        ("output", "kind = 'gpio'", "kind gpio needs chip and line"),
        ("output", "line = 3", "line is of kind gpio; kind is simulated"),
    ],
)
def test_keys_of_another_kind_and_keys_that_a_kind_needs(
    path: Path, section: str, lines: str, message: str
) -> None:
    line = config_error(path, with_section(section, f"{lines}\n"))
    assert line.startswith(f"key '{section}': {message}")
    assert "found" not in line


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "press-1"', "", "key 'id' is missing"),
        ("travel_ms = 500", "", "key 'line': expected travel_ms, or travel_counts"),
        ("budget_ms = 100", "budget = 100", "key 'line.budget_ms' is missing (and 1 more)"),
        ("[camera]", "[camera]\nlop = true", "unknown key 'camera.lop'"),
        ("id =", "colour = 1\nid =", "unknown key 'colour'"),
        ("[camera]", "[gpio]\n[camera]", "unknown key 'gpio'"),
        ('"press-1"', "5", "key 'id': input should be a valid string, found 5"),
        ('"press-1"', '"a/b"', "pattern '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$', found 'a/b'"),
        ('"press-1"', '"#"', "found '#'"),
        ('"press-1"', '""', "found ''"),
        ('"press-1"', f'"{"x" * 500}"', "xxx..."),
        ('bundle = "models/tiles.outfeed"', "bundle = 5", "key 'bundle': "),
        (
            "budget_ms = 100",
            'budget_ms = "100"',
            "key 'line.budget_ms': input should be a valid num",
        ),
        ("budget_ms = 100", "budget_ms = true", "key 'line.budget_ms': "),
        (
            "budget_ms = 100",
            "budget_ms = 0",
            "key 'line.budget_ms': input should be greater than or equal to 0.1",
        ),
        ("budget_ms = 100", "budget_ms = inf", "key 'line.budget_ms': input should be a finite"),
        ("budget_ms = 100", "budget_ms = nan", "key 'line.budget_ms': input should be a finite"),
        ("budget_ms = 100", "budget_ms = 500", "must be below travel_ms (500)"),
        (
            'kind = "files"',
            'kind = "gige"',
            "key 'camera.kind': input should be 'files', 'video', 'pi', 'v4l2' or 'stream'",
        ),
        ("[line]", "[engine]\nthreads = 1.5\n[line]", "key 'engine.threads': "),
        (
            "[line]",
            "[trust]\nkeys = 'zoo.pub'\n[line]",
            "key 'trust.keys': input should be a valid",
        ),
        (
            "[line]",
            "[trust]\nkeys = ['']\n[line]",
            "key 'trust.keys': a key is a text, ed25519: and",
        ),
        (
            "[line]",
            "[trust]\nkeys = [5]\n[line]",
            "key 'trust.keys': a key is a text, ed25519: and",
        ),
        (
            "[line]",
            "[trust]\nkeys = ['ed25519:12']\n[line]",
            "key 'trust.keys': a key is ed25519: and 64 hex digits, found",
        ),
        ("[line]", "[trust]\ncompatible = 'a b'\n[line]", "key 'trust.compatible': string should"),
        ("[line]", "[trust]\nallow_downgrade = 1\n[line]", "key 'trust.allow_downgrade': "),
        ("[line]", "[engine]\nthreads = 0\n[line]", "key 'engine.threads': "),
        ("[line]", "[engine]\nkind = 'tpu'\n[line]", "key 'engine.kind': input should be 'auto', "),
        ("[line]", "[engine]\nprecision = 'int4'\n[line]", "'int8' or 'float32', found 'int4'"),
        ("[line]", "[engine]\nproviders = 'CUDA'\n[line]", "key 'engine.providers': "),
        ("[line]", "[engine]\nproviders = ['CUDA']\n[line]", "key 'engine.providers.0': "),
        ("[line]", "[line]\non_unknown = 'Pass'", "'reject' or 'pass', found 'Pass'"),
        ("[line]", "[uplink]\nport = 70000\n[line]", "key 'uplink.port': "),
        ("[line]", "[output]\nsilence_ms = 100\n[line]", "key 'output.silence_ms': "),
        ("[line]", "[watchdog]\nstage_s = 0\n[line]", "key 'watchdog.stage_s': "),
        ("[line]", "[watchdog]\njournal_s = 0\n[line]", "key 'watchdog.journal_s': "),
        (
            "travel_ms = 500\nbudget_ms = 100",
            "travel_ms = 9000\nbudget_ms = 2000",
            "watchdog.stage_s must be at least twice line.budget_ms",
        ),
        ("[line]", "[uplink]\ntopic_prefix = 'a/#'\n[line]", "key 'uplink.topic_prefix': "),
        ("[line]", "[trigger]\njitter = 1\n[line]", "key 'trigger.jitter': "),
        ("[line]", '"a\\nb" = 1\n[line]', "unknown key 'camera.a\\nb'"),
        ("id =", "line = 3\nid =", "is not TOML"),  # then [line] again
        ("travel_ms = 500", "travel_ms = ", "is not TOML"),
    ],
)
def test_each_error_names_its_key(path: Path, old: str, new: str, message: str) -> None:
    assert SMALLEST.count(old) == 1
    assert message in config_error(path, SMALLEST.replace(old, new))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("password_file = 'secret'", "key 'uplink': password_file needs a username"),
        ("tls_cert = 'a'\ntls_ca = 'b'", "key 'uplink': tls_cert and tls_key need each other"),
        ("tls_key = 'a'\ntls_ca = 'b'", "key 'uplink': tls_cert and tls_key need each other"),
        (
            "[engine]\nkind = 'litert'\nproviders = ['CPUExecutionProvider']",
            "key 'engine': providers are ONNX Runtime's; kind is litert",
        ),
        ("tls_cert = 'a'\ntls_key = 'b'", "key 'uplink': tls_cert needs tls_ca: there is no TLS"),
    ],
)
def test_keys_that_need_each_other(path: Path, lines: str, message: str) -> None:
    line = config_error(path, f"{SMALLEST}[uplink]\n{lines}\n")
    assert line.startswith(message)
    assert "found" not in line  # a whole section would follow


def test_files_that_cannot_be_read(path: Path, tmp_path: Path) -> None:
    assert config_error(path, b"id = '\xff'") == "is not UTF-8 text"
    assert config_error(path, "").endswith("(and 4 more)")
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)
