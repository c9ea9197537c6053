"""Every key of station.toml with absurd values: one clear line that names it, exit status 78."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from edge.config.station import StationConfig, load_config
from edge.errors import ConfigError
from tests.support.configurations import SMALLEST

DIGITS = "9" * 70_000
NUMBERS = [
    *("1e13", "-1e13", "10000000000000", "-10000000000000", "1e300", "-1e300", "1e400"),
    *("nan", "-nan", "inf", "-inf", "1" + "0" * 400, DIGITS, "0x" + "f" * 70_000),
]
# Below what any clock, valve or camera can do; 0 has a meaning for some keys.
TINY = ["0.0004", "5e-324", "-0.0004"]
TEXTS = [
    f'"{"x" * 70_000}"',
    '"a\\u0000b"',
    '"a\\u001b[2Jb"',
    '"a\\nb"',
    '"a\\u202eb"',
    f'"{"x/" * 40_000}"',
]
NESTED = ["[" * 5_000 + "]" * 5_000, "{a = " * 3_000 + "1" + "}" * 3_000, "1979-05-27T07:32:00Z"]
NEEDED = {"encoder": "max_counts_per_s = 1000\n"}


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    yield "", StationConfig
    for name, field in StationConfig.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield name, kind


def leaves(annotation: Any) -> set[type]:
    """The plain types that a key takes."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return leaves(get_args(annotation)[0])
    if origin is Literal:
        return {type(value) for value in get_args(annotation)}
    if origin in (Union, types.UnionType, tuple):
        return set().union(*(leaves(each) for each in get_args(annotation) if each is not ...))
    return {annotation}


def keys() -> Iterator[tuple[str, str, set[type]]]:
    for section, model in sections():
        for name, field in model.model_fields.items():
            kinds = leaves(field.annotation)
            if not any(isinstance(kind, type) and issubclass(kind, BaseModel) for kind in kinds):
                yield section, name, kinds


KEYS = list(keys())
NUMERIC = [(section, name) for section, name, kinds in KEYS if kinds & {int, float}]
# Where so little is meant or does no harm: shares, counts per thing, and 0 as "never".
MAY_BE_TINY = {
    "camera.gain",
    "camera.colour_gains",
    "camera.latency_ms",
    "camera.early_ms",
    "line.debounce_ms",
    "trigger.jitter",
    "encoder.variation",
    "encoder.stops",
    "encoder.reversals",
    "ejector_eye.taken",
    "ejector_eye.added",
    "journal.commit_interval_ms",
    "pictures.min_free_mb",
    "updates.min_free_mb",
    "updates.min_kb_per_s",
    "updates.shadow_rejects",
    "drift.self_test_interval_s",
}


def station(section: str, name: str, value: str) -> str:
    """A whole station.toml, of every kind that has this key."""
    text = SMALLEST
    if not section:
        lines = [line for line in text.splitlines() if not line.startswith(f"{name} =")]
        return f"{name} = {value}\n" + "\n".join(lines)
    header = f"[{section}]"
    if header in text:
        head, _, rest = text.partition(header)
        kept = [line for line in rest.splitlines() if not line.startswith(f"{name} =")]
        return f"{head}{header}\n{name} = {value}\n" + "\n".join(kept)
    needed = "" if name == "max_counts_per_s" else NEEDED.get(section, "")
    return f"{text}\n{header}\n{name} = {value}\n{needed}"


def refusal(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    line = str(caught.value)
    assert caught.value.exit_status == 78
    assert line.isprintable(), repr(line[:200])
    assert len(line) < 500, line[:600]
    assert line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")


@pytest.mark.parametrize(("section", "name"), NUMERIC)
def test_numbers_beyond_all_bounds(section: str, name: str, tmp_path: Path) -> None:
    key = f"{section}.{name}" if section else name
    for value in NUMBERS:
        many = f"[{value}, {value}]" if name == "colour_gains" else value
        said = refusal(tmp_path / "station.toml", station(section, name, many))
        if len(value) < 70_000:
            assert key in said or f"'{section}'" in said, (value, said)


@pytest.mark.parametrize(("section", "name"), NUMERIC)
def test_numbers_below_all_use(section: str, name: str, tmp_path: Path) -> None:
    key = f"{section}.{name}" if section else name
    if key in MAY_BE_TINY:
        pytest.skip("so little does no harm")
    for value in TINY:
        assert name in refusal(tmp_path / "station.toml", station(section, name, value))


@pytest.mark.parametrize(("section", "name"), [(section, name) for section, name, _ in KEYS])
def test_texts_that_are_none(section: str, name: str, tmp_path: Path) -> None:
    for value in TEXTS:
        key = f"{section}.{name}" if section else name
        said = refusal(tmp_path / "station.toml", station(section, name, value))
        assert key in said or f"'{section}'" in said


@pytest.mark.parametrize(
    ("section", "name"), [("", "id"), ("line", "travel_ms"), ("trust", "keys"), ("drift", "every")]
)
def test_nested_without_end(section: str, name: str, tmp_path: Path) -> None:
    for value in NESTED:
        refusal(tmp_path / "station.toml", station(section, name, value))


def test_every_section_is_walked() -> None:
    names = {section for section, _, _ in KEYS}
    assert names == {
        *("", "camera", "line", "trust", "trigger", "engine", "encoder", "ejector_eye", "output"),
        *("watchdog", "journal", "pictures", "drift", "uplink", "upload", "commands", "updates"),
        "page",
    }
    assert len(NUMERIC) > 45


@pytest.mark.parametrize(
    ("key", "least"), [("pulse_ms", 0.1), ("travel_ms", 0.1), ("budget_ms", 0.1)]
)
def test_the_least_that_is_of_use(key: str, least: float, tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    assert "greater than or equal to 0.1" in refusal(path, station("line", key, "0.0999"))
    if key != "travel_ms":
        path.write_text(station("line", key, str(least)))
        assert getattr(load_config(path).line, key) == least
