"""The measures of the training pictures: the file ``reference.json`` of a bundle."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.drift import streams
from edge.drift.streams import COUNT
from edge.drift.template import GreyText, Template, grey_of, text_of
from edge.errors import BundleError
from edge.validation_messages import describe

LEAST_SCORED = 8  # peak severities; fewer give no level of the score
MAX_BYTES = 128 * 1024  # two times COUNT numbers of 12 digits and a template: 40 kB

Level = Annotated[float, Field(ge=-1e6, le=1e6)]
Spread = Annotated[float, Field(ge=0, le=1e6)]
_All = Field(min_length=COUNT, max_length=COUNT)


class DriftReference(BaseModel):
    """The measures of pictures of good parts, by stream (edge/drift/streams.py).

    pictures: number of pictures. scored: number of those with a peak severity.
    level, spread: mean and standard deviation of each stream; null for a stream without values.
    template: 128×128 grey levels in base64; null where the position of the parts varies.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1] = 1
    pictures: int = Field(ge=2, le=10_000_000)
    scored: int = Field(default=0, ge=0, le=10_000_000)
    level: Annotated[tuple[Level | None, ...], _All]
    spread: Annotated[tuple[Spread | None, ...], _All]
    template: GreyText | None = None

    @classmethod
    def of(cls, values: NDArray[np.float64], template: Template) -> DriftReference:
        """Return the reference of at least 2 parts.

        values: float64 parts × streams, measured with the template; NaN for no value.
        """
        has_value = np.isfinite(values)
        count = np.maximum(has_value.sum(axis=0), 1)
        level = np.where(has_value, values, 0.0).sum(axis=0) / count
        variance = (np.where(has_value, values - level, 0.0) ** 2).sum(axis=0) / np.maximum(
            count - 1, 1
        )
        share = has_value.mean(axis=0)
        # Only pictures that no network was trained on have a peak severity, so they are fewer.
        share[streams.SCORE] = float(has_value[:, streams.SCORE].sum() >= LEAST_SCORED)
        known = streams.known(share, variance)
        lie_alike = bool(known[streams.POSITION].all())
        return cls(
            pictures=len(values),
            scored=int(has_value[:, streams.SCORE].sum()),
            level=_rounded(level, known),
            spread=_rounded(np.sqrt(variance), known),
            template=text_of(template.grey) if lie_alike else None,
        )

    @property
    def errors(self) -> NDArray[np.float64]:
        """The standard error of each level, float64; NaN for null."""
        count = np.full(COUNT, float(self.pictures))
        count[streams.SCORE] = max(self.scored, 1)
        return np.asarray(self.spreads / np.sqrt(count), np.float64)

    @property
    def levels(self) -> NDArray[np.float64]:
        """The level of each stream, float64; NaN for null."""
        return np.array(self.level, np.float64)

    @property
    def spreads(self) -> NDArray[np.float64]:
        """The spread of each stream, float64; NaN for null."""
        return np.array(self.spread, np.float64)

    def decoded_template(self) -> Template | None:
        """Return the template, or None where the position of the parts varies."""
        return None if self.template is None else Template(grey_of(self.template))

    def data(self) -> bytes:
        """Return the content of the file. The same numbers give the same bytes."""
        content = self.model_dump(mode="json")
        return (json.dumps(content, sort_keys=True, allow_nan=False) + "\n").encode()


def parse_reference(data: bytes, name: str = "reference.json") -> DriftReference:
    """Parse the content of a file. Raises BundleError, one line that names file and key."""
    if len(data) > MAX_BYTES:
        raise BundleError(f"{name}: is larger than {MAX_BYTES} bytes")
    try:
        return DriftReference.model_validate_json(data)
    except ValidationError as error:
        raise BundleError(f"{name}: {describe(error)}") from error


def _rounded(values: NDArray[np.float64], known: NDArray[np.bool_]) -> tuple[float | None, ...]:
    """Return values with six digits, because machines differ beyond them."""
    return tuple(float(f"{v:.6g}") if k else None for v, k in zip(values, known, strict=True))
