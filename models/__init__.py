"""Outfeed's public training API, and below it everything that trains and evaluates.

The names in ``__all__`` are public and follow semantic versioning; docs/reference/python-api.md
describes them. Every other name below ``models`` is internal and may change in any release.

Importing ``models`` is instant: torch is imported when a public name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.api import DataError, Recipe, TrainingRun, load_recipe, train

__all__ = ["DataError", "Recipe", "TrainingRun", "load_recipe", "train"]


def __getattr__(name: str) -> object:
    """Return a public name, and import the module that defines it on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'models' has no attribute {name!r}")
    value: object = getattr(import_module("models.api"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
