"""What the bundle was trained on, as numbers: the file ``reference.json`` of a bundle."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.drift import streams
from edge.drift.picture_data import GreyText, grey_of, text_of
from edge.drift.streams import COUNT
from edge.drift.template import Template
from edge.errors import BundleError
from edge.validation_messages import describe

LEAST_SCORED = 8  # peak severities; of fewer no level is told
MAX_BYTES = 128 * 1024  # two times COUNT numbers of 12 digits and a template: 40 kB

Level = Annotated[float, Field(ge=-1e6, le=1e6)]
Spread = Annotated[float, Field(ge=0, le=1e6)]
_All = Field(min_length=COUNT, max_length=COUNT)


class DriftReference(BaseModel):
    """Good parts' pictures, by stream (edge/drift/streams.py): mean and standard deviation, null
    for a stream of which they say nothing. pictures: how many they were, scored: how many of
    them have a peak severity. template: where parts lie
    alike, what they look like: 128 × 128 grey levels in base64."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1] = 1
    pictures: int = Field(ge=2, le=10_000_000)
    scored: int = Field(default=0, ge=0, le=10_000_000)
    level: Annotated[tuple[Level | None, ...], _All]
    spread: Annotated[tuple[Spread | None, ...], _All]
    template: GreyText | None = None

    @classmethod
    def of(cls, values: NDArray[np.float64], template: Template) -> DriftReference:
        """values: parts × streams, as they were measured with the template. 2 parts at least."""
        said = np.isfinite(values)
        count = np.maximum(said.sum(axis=0), 1)
        level = np.where(said, values, 0.0).sum(axis=0) / count
        variance = (np.where(said, values - level, 0.0) ** 2).sum(axis=0) / np.maximum(count - 1, 1)
        share = said.mean(axis=0)
        # Peaks are told of pictures that no network was trained on, which are the fewer.
        share[streams.SCORE] = float(said[:, streams.SCORE].sum() >= LEAST_SCORED)
        known = streams.known(share, variance)
        lie_alike = bool(known[streams.POSITION].all())
        return cls(
            pictures=len(values),
            scored=int(said[:, streams.SCORE].sum()),
            level=_rounded(level, known),
            spread=_rounded(np.sqrt(variance), known),
            template=text_of(template.grey) if lie_alike else None,
        )

    @property
    def errors(self) -> NDArray[np.float64]:
        """By how much each level may be wrong: its standard error; NaN for null."""
        count = np.full(COUNT, float(self.pictures))
        count[streams.SCORE] = max(self.scored, 1)
        return np.asarray(self.spreads / np.sqrt(count), np.float64)

    @property
    def levels(self) -> NDArray[np.float64]:
        """float64, NaN for null."""
        return np.array(self.level, np.float64)

    @property
    def spreads(self) -> NDArray[np.float64]:
        """float64, NaN for null."""
        return np.array(self.spread, np.float64)

    def seen(self) -> Template | None:
        """The template, to measure with; None where parts do not lie alike."""
        return None if self.template is None else Template(grey_of(self.template))

    def data(self) -> bytes:
        """As a file; the same numbers give the same bytes."""
        content = self.model_dump(mode="json")
        return (json.dumps(content, sort_keys=True, allow_nan=False) + "\n").encode()


def parse_reference(data: bytes, name: str = "reference.json") -> DriftReference:
    """From a file's bytes. Raises BundleError, one line that names file and key."""
    if len(data) > MAX_BYTES:
        raise BundleError(f"{name}: is larger than {MAX_BYTES} bytes")
    try:
        return DriftReference.model_validate_json(data)
    except ValidationError as error:
        raise BundleError(f"{name}: {describe(error)}") from error


def _rounded(values: NDArray[np.float64], known: NDArray[np.bool_]) -> tuple[float | None, ...]:
    """Six digits; no two machines agree on more."""
    return tuple(float(f"{v:.6g}") if k else None for v, k in zip(values, known, strict=True))
