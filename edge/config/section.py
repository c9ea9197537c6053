"""What every section of station.toml is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

_MOST_CHARS = 4095  # of a path, with the kernel (PATH_MAX)
_MOST_NAME_BYTES = 255  # of one folder or file in it (NAME_MAX)

# A line of a GPIO chip: its offset, or the name that the kernel knows, of 31 bytes at most.
GpioName = Annotated[int, Field(ge=0, le=65_535)] | Annotated[str, Field(max_length=31)]


class Section(BaseModel):
    """Strict and frozen; an unknown key is an error.

    only: keys that not every kind of device has → the kinds that have them, with spaces between.
    needs: kind → the keys that it cannot do without.
    """

    only: ClassVar[Mapping[str, str]] = {}
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _text_is_sane(cls, value: object) -> object:
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, str | Path):
                text = str(each)
                if len(text) > _MOST_CHARS:
                    raise ValueError(f"is of {len(text)} characters, {_MOST_CHARS} at most")
                if not text.isprintable():
                    raise ValueError("holds a character that cannot be printed")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _path_is_possible(cls, value: object) -> object:
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, Path) and any(
                len(part.encode(errors="surrogateescape")) > _MOST_NAME_BYTES for part in each.parts
            ):
                raise ValueError(f"holds a name of more than {_MOST_NAME_BYTES} bytes")
        return value


def check_kind(section: Section, kind: str) -> None:
    """Raises ValueError for a key that another kind has, and for one that is missing."""
    for key in sorted(section.model_fields_set):
        kinds = section.only.get(key)
        if kinds is not None and kind not in kinds.split():
            raise ValueError(f"{key} is of kind {' and '.join(kinds.split())}; kind is {kind}")
    missing = [key for key in section.needs.get(kind, ()) if getattr(section, key) is None]
    if missing:
        raise ValueError(f"kind {kind} needs {' and '.join(missing)}")
