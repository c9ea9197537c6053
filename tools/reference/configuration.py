"""The pages of every key of station.toml and central.toml, from the pydantic models."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from central.config.central import CentralConfig
from edge.config.station import StationConfig
from tools.reference.markdown import default_text, generated, table, type_text

_INTRODUCTION = """\
`station.toml` configures one station. `outfeed run --config station.toml` reads it.
[firmware-config/station.toml](../../firmware-config/station.toml) is a file with every key and its
default.

An unknown key, a value of the wrong type and a value outside its limits are errors. The message is
one line that names the key, and the exit status is 78. Relative paths are taken from the folder of
the file.

A key whose default is *none* is optional, and its description states what holds without it. Keys
marked with a kind are allowed only where `kind` of the section has that value.
"""


_CENTRAL = """\
`central.toml` configures the central system. `outfeed-central run --config central.toml` reads it,
as `collect`, `web` and `migrate` do. Every section and every key may be left out.
[firmware-config/central.toml](../../firmware-config/central.toml) is a file with every key and its
default. [Run a central system](../how-to/central.md) leads through the settings of a plant.

An unknown key, a value of the wrong type and a value outside its limits are errors. The message is
one line that names the key, and the exit status is 78. Relative paths are taken from the folder of
the file.
"""


def page() -> str:
    """Return the page of station.toml as Markdown."""
    parts = [generated("Configuration", _INTRODUCTION)]
    plain = [name for name, model in _models(StationConfig).items() if model is None]
    parts.append(f"## At the top\n\n{_rows(StationConfig, plain)}")
    return "\n".join([*parts, *_sections(StationConfig)])


def central_page() -> str:
    """Return the page of central.toml as Markdown."""
    return "\n".join([generated("Central configuration", _CENTRAL), *_sections(CentralConfig)])


def _sections(config: type[BaseModel]) -> Iterator[str]:
    """Yield each section with its keys."""
    for name, model in _models(config).items():
        if model is not None:
            text = inspect.cleandoc(model.__doc__ or "").split("\n\n")[0]
            yield f"## [{name}]\n\n{text}\n\n{_rows(model, list(model.model_fields))}"


def _models(model: type[BaseModel]) -> dict[str, type[BaseModel] | None]:
    """Return each key with the model of its section; None for a key that is no section."""
    models: dict[str, type[BaseModel] | None] = {}
    for name, field in model.model_fields.items():
        choices = [field.annotation, *get_args(field.annotation)]
        sections = [one for one in choices if isinstance(one, type) and issubclass(one, BaseModel)]
        models[name] = sections[0] if sections else None
    return models


def _rows(model: type[BaseModel], keys: list[str]) -> str:
    schema = model.model_json_schema(mode="validation")
    definitions = schema.get("$defs", {})
    required = schema.get("required", [])
    only: dict[str, str] = dict(getattr(model, "only", {}))
    needs: dict[str, tuple[str, ...]] = dict(getattr(model, "needs", {}))
    rows = []
    for key in keys:
        field = schema["properties"][key]
        default = default_text(field, required=key in required)
        needed = [kind for kind, names in needs.items() if key in names]
        if needed:
            default = f"required for {_kinds(needed)}"
        meaning = _meaning(model, key, field)
        if key in only:
            meaning = f"Kind {_kinds(only[key].split())}. {meaning}"
        rows.append([f"`{key}`", type_text(field, definitions), default, meaning])
    return table(["key", "type and limits", "default", "meaning"], rows)


def _meaning(model: type[BaseModel], key: str, field: dict[str, Any]) -> str:
    info = model.model_fields[key]
    title = f"**{info.title.rstrip('.')}.** " if info.title else ""
    unit = f" Unit: {field['unit']}." if field.get("unit") else ""
    return f"{title}{field.get('description', '')}{unit}"


def _kinds(kinds: list[str]) -> str:
    return ", ".join(f"`{kind}`" for kind in kinds)
