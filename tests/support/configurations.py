"""Configuration files of a station and their optional keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.config.station import StationConfig, load_config
from edge.errors import ConfigError

DRIFT_OPTIONS: list[tuple[str, str, Any]] = [
    ("enabled", "false", False),
    ("every", "1", 1),
    ("measures", '["dirt", "focus"]', ("dirt", "focus")),
    ("learn_parts", "2000", 2000),
    ("false_alarms_per_month", "0.1", 0.1),
    ("parts_per_month", "500000", 500_000),
    ("on_drift", '"unknown"', "unknown"),
    ("self_test_interval_s", "0", 0.0),
    ("on_self_test_failure", '"report"', "report"),
]


PICTURE_OPTIONS: list[tuple[str, str, str, Any]] = [
    ("pictures", "enabled", "false", False),
    ("pictures", "ring_frames", "50", 50),
    ("pictures", "ring_mb", "16", 16.0),
    ("pictures", "max_mb", "100", 100.0),
    ("pictures", "max_mb_per_day", "20.5", 20.5),
    ("pictures", "min_free_mb", "0", 0.0),
    ("pictures", "pass_every", "1000", 1000),
    ("pictures", "before_parts", "3", 3),
]


HEAD = """
id = "press-1"
bundle = "models/tiles.outfeed"
state_dir = "state"

[camera]
kind = "files"
path = "frames"
"""


BY_TIME = HEAD + "[line]\ntravel_ms = 500\nbudget_ms = 100\n"


BY_COUNTS = HEAD + (
    "[line]\ntravel_counts = 800\nbudget_ms = 100\n[encoder]\nmax_counts_per_s = 2000\n"
)


EYE = "[ejector_eye]\nto_ejector_counts = 100\ntolerance_counts = 20\n"


EYE_MS = "[ejector_eye]\nto_ejector_ms = 50\ntolerance_ms = 10\n"


BELT_OPTIONS: list[tuple[str, str, str, Any]] = [
    ("line", "debounce_counts", "30", 30),
    ("line", "min_spacing_counts", "50", 50),
    ("line", "on_crowded", '"each"', "each"),
    ("encoder", "kind", '"simulated"', "simulated"),
    ("encoder", "channels", '"single"', "single"),
    ("encoder", "backlash_counts", "4", 4),
    ("encoder", "silent_edges", "0", 0),
    ("encoder", "purge_at_start", "false", False),
    ("encoder", "counts_per_s", "700", 700),
    ("encoder", "variation", "0.3", 0.3),
    ("encoder", "stops", "0.1", 0.1),
    ("encoder", "reversals", "0.1", 0.1),
    ("encoder", "survives", "true", True),
    ("ejector_eye", "kind", '"simulated"', "simulated"),
    ("ejector_eye", "on_absent", '"pass"', "pass"),
    ("ejector_eye", "taken", "0.2", 0.2),
    ("ejector_eye", "added", "0.3", 0.3),
]


REQUIRED = {
    *(("line", "travel_ms"), ("line", "travel_counts"), ("line", "min_spacing_ms")),
    *(("encoder", "max_counts_per_s"), ("ejector_eye", "to_ejector_ms")),
    *(("ejector_eye", "tolerance_ms"), ("ejector_eye", "to_ejector_counts")),
    ("ejector_eye", "tolerance_counts"),
}


def load(path: Path, text: str) -> StationConfig:
    path.write_text(text, encoding="utf-8")
    return load_config(path)


SMALLEST = """
id = "press-1"
bundle = "models/tiles.outfeed"
state_dir = "state"

[camera]
kind = "files"
path = "frames"

[line]
travel_ms = 500
budget_ms = 100
"""


PI = 'kind = "pi"\nwidth = 640\nheight = 480\n'


V4L2 = 'kind = "v4l2"\ndevice = "/dev/video0"\nwidth = 640\nheight = 480\n'


STREAM = 'kind = "stream"\nurl = "rtsp://a/b"\nlatency_ms = 80\n'


GPIO = 'kind = "gpio"\nchip = "pinctrl-rp1"\nline = 17\n'


def config_error(path: Path, text: str | bytes) -> str:
    """Return the message for this file without the path; it is one line."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line.removeprefix(f"{path}: ")


def with_section(section: str, lines: str) -> str:
    """Return SMALLEST with this section in place of its own section of that name."""
    files = '[camera]\nkind = "files"\npath = "frames"\n'
    text = SMALLEST.replace(files, "") if section == "camera" else SMALLEST
    return f"{text}[{section}]\n{lines}"
