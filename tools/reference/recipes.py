"""The page of recipes: those that are shipped, and every key that a recipe may have."""

from __future__ import annotations

import inspect
from typing import get_args

from pydantic import BaseModel

from models.training.recipe import RECIPES, Recipe, load_recipe
from tools.reference.markdown import default_text, generated, table, type_text

_INTRODUCTION = """\
A recipe is a TOML file that decides everything about a training run. `make train DATA=folder`
chooses the settings from the data. `make train DATA=folder RECIPE=NAME` takes a recipe of the
table, and `RECIPE=path/to/own.toml` one of your own. Only keys that differ from the default need
to be in the file. An unknown key is an error. The run keeps the complete recipe in `recipe.toml`.

Which method fits which parts: [choose a method](../how-to/choose-a-method.md).
"""


def page() -> str:
    """Return the page as Markdown."""
    parts = [generated("Recipes", _INTRODUCTION), "## Shipped recipes\n\n" + _shipped()]
    plain = [name for name, section in _sections().items() if section is None]
    parts.append(f"## At the top\n\n{_paragraphs(Recipe)}\n\n{_rows(Recipe, plain)}")
    for name, section in _sections().items():
        if section is not None:
            rows = _rows(section, list(section.model_fields))
            parts.append(f"## [{name}]\n\n{_paragraphs(section)}\n\n{rows}")
    return "\n".join(parts)


def _shipped() -> str:
    rows = []
    for path in sorted(RECIPES.glob("*.toml")):
        recipe = load_recipe(path.stem)
        comments: list[str] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                break
            comments.append(line.removeprefix("#").strip())
        network = recipe.detector.network if recipe.method == "regression" else ""
        classifier = "yes" if recipe.classifier.enabled else "no"
        rows.append([f"`{path.stem}`", recipe.method, network, classifier, " ".join(comments)])
    return table(["recipe", "method", "network", "classifier", "purpose"], rows)


def _sections() -> dict[str, type[BaseModel] | None]:
    models: dict[str, type[BaseModel] | None] = {}
    for name, field in Recipe.model_fields.items():
        choices = [field.annotation, *get_args(field.annotation)]
        sections = [one for one in choices if isinstance(one, type) and issubclass(one, BaseModel)]
        models[name] = sections[0] if sections else None
    return models


def _paragraphs(model: type[BaseModel]) -> str:
    return inspect.cleandoc(model.__doc__ or "")


def _rows(model: type[BaseModel], keys: list[str]) -> str:
    schema = model.model_json_schema(mode="validation")
    definitions, required = schema.get("$defs", {}), schema.get("required", [])
    rows = []
    for key in keys:
        field = schema["properties"][key]
        default = default_text(field, required=key in required)
        meaning = field.get("description", "")
        rows.append([f"`{key}`", type_text(field, definitions), default, meaning])
    header = ["key", "type and limits", "default", "meaning"]
    if not any(row[3] for row in rows):
        return table(header[:3], [row[:3] for row in rows])
    return table(header, rows)
