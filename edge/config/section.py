"""The base class of all sections of station.toml, and the types that several sections share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.config import JsonDict

_MAX_CHARS = 4095  # the longest path that Linux accepts (PATH_MAX)
_MAX_NAME_BYTES = 255  # the longest name of a folder or file (NAME_MAX)

# Limits for the distance between photo-eye and ejector.
MAX_TRAVEL_MS = 3_600_000  # one hour
MAX_TRAVEL_COUNTS = 10_000_000  # 10 m at 1 µm per count

# A line of a GPIO chip: its offset, or its name in the kernel with at most 31 bytes.
GpioName = Annotated[int, Field(ge=0, le=65_535)] | Annotated[str, Field(max_length=31)]

Bias = Literal["as-is", "disabled", "pull-up", "pull-down"]
Edge = Literal["rising", "falling"]


def unit(name: str) -> JsonDict:
    """Return the ``json_schema_extra`` that states the unit of a key."""
    return {"unit": name}


class ConfigSection(BaseModel):
    """A section of station.toml: strict types, frozen, and without unknown keys.

    Each key has a ``title``, a ``description`` and, for a quantity, a ``unit``. The page
    docs/reference/configuration.md is generated from them.
    """

    only: ClassVar[Mapping[str, str]] = {}
    """Keys that only some kinds of a device have, each with those kinds, separated by spaces."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The keys that each kind requires."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _text_is_sane(cls, value: object) -> object:
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, str | Path):
                text = str(each)
                if len(text) > _MAX_CHARS:
                    raise ValueError(
                        f"has {len(text)} characters, at most {_MAX_CHARS} are allowed"
                    )
                if not text.isprintable():
                    raise ValueError("contains a character that cannot be printed")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _path_is_possible(cls, value: object) -> object:
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, Path) and any(
                len(part.encode(errors="surrogateescape")) > _MAX_NAME_BYTES for part in each.parts
            ):
                raise ValueError(f"contains a name of more than {_MAX_NAME_BYTES} bytes")
        return value


def check_kind(section: ConfigSection, kind: str) -> None:
    """Check that the section has the keys of its kind and no key of another kind.

    Raises ValueError, which pydantic turns into the error message for the section.
    """
    for key in sorted(section.model_fields_set):
        kinds = section.only.get(key)
        if kinds is not None and kind not in kinds.split():
            raise ValueError(f"{key} is of kind {' and '.join(kinds.split())}; kind is {kind}")
    missing = [key for key in section.needs.get(kind, ()) if getattr(section, key) is None]
    if missing:
        raise ValueError(f"kind {kind} needs {' and '.join(missing)}")
