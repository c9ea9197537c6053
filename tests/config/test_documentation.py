"""Every key of station.toml is documented: title, description and unit.

docs/reference/configuration.md is generated from these texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import NoneType
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from edge.config.station import StationConfig

# Numbers that are no quantities.
WITHOUT_UNIT = {"camera.index", "trigger.seed", "output.realtime_priority"}
WITHOUT_UNIT |= {"uplink.port", "page.port"}
LONGEST_SENTENCE = 30  # words


def _section(annotation: Any) -> type[BaseModel] | None:
    for choice in (annotation, *get_args(annotation)):
        if isinstance(choice, type) and issubclass(choice, BaseModel):
            return choice
    return None


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    yield "", StationConfig
    for name, field in StationConfig.model_fields.items():
        model = _section(field.annotation)
        if model is not None:
            yield name, model


def _keys() -> Iterator[tuple[str, FieldInfo]]:
    for section, model in _sections():
        for name, field in model.model_fields.items():
            if _section(field.annotation) is None:
                yield f"{section}.{name}".lstrip("."), field


def _is_number(annotation: Any) -> bool:
    choices = [one for one in (get_args(annotation) or (annotation,)) if one is not NoneType]
    return all(one in (int, float) for one in choices)


KEYS = dict(_keys())


@pytest.mark.parametrize("key", KEYS)
def test_each_key_has_a_title_and_a_description(key: str) -> None:
    field = KEYS[key]
    assert field.title
    assert not field.title.endswith(".")
    assert field.description
    assert field.description.endswith((".", ".)"))
    for sentence in re.split(r"[.:;] ", field.description):
        assert len(sentence.split()) <= LONGEST_SENTENCE, sentence


@pytest.mark.parametrize("key", KEYS)
def test_each_quantity_has_a_unit(key: str) -> None:
    extra = KEYS[key].json_schema_extra or {}
    assert isinstance(extra, dict)
    expected = _is_number(KEYS[key].annotation) and key not in WITHOUT_UNIT
    assert bool(extra.get("unit")) is (expected or key == "camera.colour_gains")


@pytest.mark.parametrize("key", KEYS)
def test_the_unit_agrees_with_the_name(key: str) -> None:
    extra = KEYS[key].json_schema_extra
    unit = str(extra.get("unit")) if isinstance(extra, dict) else ""
    for ending, expected in (("_ms", "ms"), ("_us", "µs"), ("_mb", "MiB"), ("_s", "s")):
        if key.endswith(ending) and not key.endswith("per_s"):
            assert unit == expected
            return


@pytest.mark.parametrize("name", [name for name, _ in _sections()])
def test_each_section_describes_itself_and_not_its_keys(name: str) -> None:
    model = dict(_sections())[name]
    text = model.__doc__ or ""
    assert text
    for key in model.model_fields:
        assert f"{key}:" not in text


def test_all_keys_are_here() -> None:
    assert len(KEYS) > 110
    assert {"id", "line.travel_ms", "encoder.kind", "ejector_eye.taken"} <= set(KEYS)
