"""The drift state of a station: the file ``drift.json`` in its state folder."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.drift.baseline import Baseline
from edge.drift.streams import COUNT, Measure
from edge.drift.template import GreyText, Template, grey_of, text_of
from edge.errors import OutfeedError
from edge.validation_messages import describe

MAX_BYTES = 256 * 1024

Floats = NDArray[np.float64]
Values = Annotated[
    tuple[Annotated[float, Field(ge=-1e6, le=1e6)] | None, ...],
    Field(min_length=COUNT, max_length=COUNT),
]


class StateError(OutfeedError):
    """The drift state cannot be read. The baseline is learned again."""


class AlarmState(BaseModel):
    """An active alarm. The field ``said`` is its text, one line."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    measure: Measure
    grade: Literal["mild", "severe"]
    said: str = Field(max_length=400)
    utc: str = Field(max_length=40)


class DriftState(BaseModel):
    """The baseline of a station with its active alarms.

    subject: bundle and commissioning for which the baseline is valid. learned_utc: time at which it
    was complete. from_bundle: True where the bundle has a reference. level, spread, long_run: as in
    Baseline, null for a stream that is not watched.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1] = 1
    subject: str = Field(max_length=400)
    learned_utc: str = Field(max_length=40)
    from_bundle: bool
    parts: int = Field(ge=1, le=10_000_000)
    rate_hz: float = Field(ge=0, le=1e6)
    level: Values
    spread: Values
    long_run: Values
    template: GreyText | None = None
    alarms: tuple[AlarmState, ...] = Field(default=(), max_length=16)

    @classmethod
    def of(
        cls,
        baseline: Baseline,
        template: Template | None,
        *,
        subject: str,
        learned_utc: str,
        from_bundle: bool,
    ) -> DriftState:
        """Return the state of a new baseline, without alarms."""
        return cls(
            subject=subject,
            learned_utc=learned_utc,
            from_bundle=from_bundle,
            parts=baseline.count,
            rate_hz=baseline.rate_hz,
            level=_kept(baseline.level),
            spread=_kept(baseline.spread),
            long_run=_kept(baseline.long_run),
            template=None if template is None else text_of(template.grey),
        )

    def baseline(self) -> Baseline:
        """Return the stored baseline."""
        level, spread, long_run = (
            np.array(values, np.float64) for values in (self.level, self.spread, self.long_run)
        )
        return Baseline(level, spread, long_run, self.parts, self.rate_hz)

    def decoded_template(self) -> Template | None:
        """Return the template, or None where there is none."""
        return None if self.template is None else Template(grey_of(self.template))

    def data(self) -> bytes:
        """Return the content of the file."""
        return (json.dumps(self.model_dump(mode="json"), allow_nan=False) + "\n").encode()


def parse_state(data: bytes) -> DriftState:
    """Parse the content of a file. Raises StateError, one line."""
    if len(data) > MAX_BYTES:
        raise StateError(f"is larger than {MAX_BYTES} bytes")
    try:
        return DriftState.model_validate_json(data)
    except ValidationError as error:
        raise StateError(describe(error)) from error


def _kept(values: Floats) -> tuple[float | None, ...]:
    """Return values with nine digits, which are accurate enough and save half of the bytes."""
    return tuple(float(f"{value:.9g}") if np.isfinite(value) else None for value in values)
