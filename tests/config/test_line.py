"""The belt in station.toml: the keys of [line], [encoder] and [ejector_eye] and their rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edge.config.ejector_eye import EjectorEyeConfig
from edge.config.encoder import EncoderConfig
from edge.config.line import LineConfig
from edge.errors import ConfigError
from edge.validation_messages import describe
from tests.support.configurations import (
    BELT_OPTIONS,
    BY_COUNTS,
    BY_TIME,
    EYE,
    EYE_MS,
    REQUIRED,
    load,
)


@pytest.mark.parametrize(("section", "key", "value", "held"), BELT_OPTIONS)
def test_each_key_is_read(tmp_path: Path, section: str, key: str, value: str, held: Any) -> None:
    head = f"[{section}]\n"
    text = (BY_COUNTS + EYE).replace(head, f"{head}{key} = {value}\n")
    config = load(tmp_path / "station.toml", text)
    assert getattr(getattr(config, section), key) == held


def test_no_key_is_left_out() -> None:
    tested = {(section, key) for section, key, *_ in BELT_OPTIONS} | REQUIRED
    for section, model in (("encoder", EncoderConfig), ("ejector_eye", EjectorEyeConfig)):
        # Those of GPIO lines: tests/rejector/test_gpio_belt.py.
        lines = {(section, key) for key, kind in model.only.items() if kind == "gpio"}
        assert {(section, key) for key in model.model_fields} <= tested | lines


def test_by_time_there_is_neither_encoder_nor_eye(tmp_path: Path) -> None:
    config = load(tmp_path / "station.toml", BY_TIME)
    assert (config.encoder, config.ejector_eye, config.pulse_counts) == (None, None, 0)
    assert config.line.travel_ns == 500_000_000


def test_parts_nearer_than_a_pulse_are_crowded_by_default(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    assert load(path, BY_TIME).spacing == 20_000_000
    assert load(path, BY_COUNTS).spacing == 40
    assert load(path, BY_TIME + "min_spacing_ms = 30\n").spacing == 30_000_000
    each = BY_COUNTS.replace("[line]", '[line]\non_crowded = "each"\nmin_spacing_counts = 5')
    assert load(path, each).spacing == 0


def test_an_eye_has_its_distances_in_the_unit_of_the_line(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    eye = load(path, BY_COUNTS + EYE).ejector_eye
    assert eye is not None
    assert (eye.by_counts, eye.to_ejector, eye.tolerance) == (True, 100, 20)
    eye = load(path, BY_TIME + EYE_MS).ejector_eye
    assert eye is not None
    assert (eye.by_counts, eye.to_ejector, eye.tolerance) == (False, 50_000_000, 10_000_000)


@pytest.mark.parametrize(
    ("text", "old", "new", "message"),
    [
        (BY_TIME, "travel_ms = 500", "", "key 'line': expected travel_ms, or travel_counts where"),
        (
            BY_TIME,
            "travel_ms = 500",
            "travel_ms = 500\ntravel_counts = 5",
            "expected travel_ms, or",
        ),
        (
            BY_TIME,
            "travel_ms = 500",
            "travel_counts = 5",
            "line.travel_counts and an [encoder] sec",
        ),
        (BY_COUNTS, "travel_counts = 800", "travel_ms = 800", "and an [encoder] section need each"),
        (BY_COUNTS, "travel_counts = 800", "travel_counts = 0", "key 'line.travel_counts': "),
        (BY_COUNTS, "travel_counts = 800", "travel_counts = 8.5", "key 'line.travel_counts': "),
        (BY_COUNTS, "[line]", "[line]\nmin_spacing_ms = 30", "give min_spacing_counts"),
        (BY_TIME, "[line]", "[line]\nmin_spacing_counts = 30", "give min_spacing_ms"),
        (BY_TIME, "[line]", "[line]\nmin_spacing_ms = 19", "must be at least pulse_ms (20)"),
        (BY_COUNTS, "[line]", "[line]\nmin_spacing_counts = 39", "must be at least 40, a pulse at"),
        (BY_COUNTS, "[line]", "[line]\non_crowded = 'both'", "'reject' or 'each', found 'both'"),
        (
            BY_COUNTS,
            "budget_ms = 100",
            "budget_ms = 400",
            "line.budget_ms must be below 400, the t",
        ),
        (BY_COUNTS, "max_counts_per_s = 2000", "", "key 'encoder.max_counts_per_s' is missing"),
        (
            BY_COUNTS,
            "= 2000",
            "= 2000\ncounts_per_s = 3000",
            "must be at least 3000, counts_per_s w",
        ),
        (BY_COUNTS, "= 2000", "= 2000\nvariation = 1.0", "key 'encoder.variation': "),
        (BY_COUNTS, "= 2000", "= 2000\nchannels = 'three'", "key 'encoder.channels': "),
        (
            BY_COUNTS,
            "= 2000",
            "= 2000\nchannels = 'single'\nreversals = 0.1",
            "channels = 'single' ex",
        ),
        (BY_COUNTS, "= 2000", "= 2000\nrate = 5", "unknown key 'encoder.rate'"),
        (BY_COUNTS, "= 2000\n", f"= 2000\n{EYE_MS}", "ejector_eye must be in counts, as line.tr"),
        (
            BY_TIME,
            "= 100\n",
            f"= 100\n{EYE}",
            "ejector_eye must be in milliseconds, as line.travel",
        ),
        (
            BY_TIME,
            "= 100\n",
            "= 100\n[ejector_eye]\n",
            "key 'ejector_eye': expected to_ejector_ms a",
        ),
        (
            BY_COUNTS + EYE,
            "tolerance_counts = 20",
            "tolerance_ms = 2",
            "expected to_ejector_ms and",
        ),
        (
            BY_COUNTS + EYE,
            "_counts = 20",
            "_counts = 101",
            "tolerance must not exceed the distance",
        ),
        (
            BY_COUNTS + EYE,
            "ejector_counts = 100",
            "ejector_counts = 800",
            "must be nearer to the ej",
        ),
    ],
)
def test_each_error_is_one_line(
    tmp_path: Path, text: str, old: str, new: str, message: str
) -> None:
    assert text.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "station.toml", text.replace(old, new))
    line = str(caught.value)
    assert message in line
    assert "\n" not in line
    assert "(file)" not in line


def test_a_budget_that_ends_after_the_travel_is_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        LineConfig(travel_ms=500.0, budget_ms=500.0)
    assert "must be below travel_ms (500)" in describe(caught.value)
    assert "'budget_ms'" in describe(caught.value)


def test_times_are_converted_to_nanoseconds_and_microseconds() -> None:
    line = LineConfig(travel_ms=500.5, budget_ms=30.25, pulse_ms=12.5, debounce_ms=0.5)
    assert (line.travel_ns, line.budget_ns) == (500_500_000, 30_250_000)
    assert (line.pulse_us, line.debounce_ns) == (12_500, 500_000)
