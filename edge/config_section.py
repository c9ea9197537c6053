"""What every section of station.toml is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Strict and frozen; an unknown key is an error.

    only: keys that not every kind of device has → the kinds that have them, with spaces between.
    needs: kind → the keys that it cannot do without.
    """

    only: ClassVar[Mapping[str, str]] = {}
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def check_kind(section: Section, kind: str) -> None:
    """Raises ValueError for a key that another kind has, and for one that is missing."""
    for key in sorted(section.model_fields_set):
        kinds = section.only.get(key)
        if kinds is not None and kind not in kinds.split():
            raise ValueError(f"{key} is of kind {' and '.join(kinds.split())}; kind is {kind}")
    missing = [key for key in section.needs.get(kind, ()) if getattr(section, key) is None]
    if missing:
        raise ValueError(f"kind {kind} needs {' and '.join(missing)}")
