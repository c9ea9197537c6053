"""Published figures of the sets, each with its source, from published.toml."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from bench.public_sets.fold import Supervision

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = Path(__file__).with_name("published.toml")


class PublishedFigure(BaseModel):
    """A figure that others published.

    set, category: as in the tables; "mean" for the mean of the categories. supervision: what the
    method learned from. figure: a field of FoldFigures. value, spread: shares, 0 to 1; spread is a
    standard deviation. source: authors, title, where it appeared and the table. note: what differs
    from the protocol here, or "".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    set: str
    category: str = ""
    method: str
    supervision: Supervision
    figure: str
    value: float = Field(ge=0, le=1)
    spread: float | None = Field(default=None, ge=0, le=1)
    source: str = Field(min_length=10)
    note: str = ""


class _PublishedFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    figure: tuple[PublishedFigure, ...]


def published(path: Path = FILE) -> tuple[PublishedFigure, ...]:
    """Return all published figures. Raises ValidationError for a faulty file."""
    return _PublishedFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).figure
