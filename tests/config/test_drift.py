"""Drift and self-tests in station.toml: every key and its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from edge.config.drift import DriftMeasure
from edge.drift.streams import MEASURES
from edge.errors import ConfigError
from tests.support.configurations import BY_TIME, DRIFT_OPTIONS, load


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "station.toml"


@pytest.mark.parametrize(("key", "value", "held"), DRIFT_OPTIONS)
def test_each_key_is_read(path: Path, key: str, value: str, held: Any) -> None:
    config = load(path, f"{BY_TIME}[drift]\n{key} = {value}\n")
    assert getattr(config.drift, key) == held
    assert getattr(load(path, BY_TIME).drift, key) != held


def test_the_options_are_complete(path: Path) -> None:
    assert {key for key, _, _ in DRIFT_OPTIONS} == set(type(load(path, BY_TIME).drift).model_fields)


def test_the_configurable_measures_are_the_measured_ones() -> None:
    assert get_args(DriftMeasure) == MEASURES


def test_paths_and_nanoseconds(path: Path) -> None:
    config = load(path, f"{BY_TIME}[drift]\nself_test_interval_s = 1.5\n")
    assert config.drift.self_test_interval_ns == 1_500_000_000
    assert config.paths.drift == config.state_dir / "drift.json"
    assert config.paths.self_test == config.state_dir / "self_test.json"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("every = 0", "key 'drift.every': "),
        ("learn_parts = 1001", "key 'drift.learn_parts': "),
        ("learn_parts = 40", "key 'drift.learn_parts': "),
        ('measures = ["focus", "focus"]', "key 'drift.measures': names a measure twice"),
        ('measures = ["smell"]', "key 'drift.measures"),
        ("measures = []", "key 'drift.measures': "),
        ("false_alarms_per_month = 0", "key 'drift.false_alarms_per_month': "),
        ("parts_per_month = 0", "key 'drift.parts_per_month': "),
        ('on_drift = "stop"', "key 'drift.on_drift': "),
        ("self_test_interval_s = -1", "key 'drift.self_test_interval_s': "),
        ('on_self_test_failure = "pass"', "key 'drift.on_self_test_failure': "),
        ("self_tests = true", "unknown key 'drift.self_tests'"),
    ],
)
def test_each_error_names_its_key(path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{path}: {message}"):
        load(path, f"{BY_TIME}[drift]\n{line}\n")
