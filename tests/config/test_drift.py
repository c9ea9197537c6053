"""Drift and self-tests in station.toml: every key, and what is refused."""

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
def test_each_key_is_taken(path: Path, key: str, value: str, held: Any) -> None:
    config = load(path, f"{BY_TIME}[drift]\n{key} = {value}\n")
    assert getattr(config.drift, key) == held
    assert getattr(load(path, BY_TIME).drift, key) != held


def test_the_options_are_all_of_them(path: Path) -> None:
    assert {key for key, _, _ in DRIFT_OPTIONS} == set(type(load(path, BY_TIME).drift).model_fields)


def test_what_can_be_watched_is_what_is_measured() -> None:
    assert get_args(DriftMeasure) == MEASURES


def test_paths_and_nanoseconds(path: Path) -> None:
    config = load(path, f"{BY_TIME}[drift]\nself_test_interval_s = 1.5\n")
    assert config.drift.self_test_interval_ns == 1_500_000_000
    assert config.paths.drift == config.state_dir / "drift.json"
    assert config.paths.self_test == config.state_dir / "self_test.json"


@pytest.mark.parametrize(
    ("line", "said"),
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
def test_what_is_refused_names_the_key(path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^{path}: {said}"):
        load(path, f"{BY_TIME}[drift]\n{line}\n")
