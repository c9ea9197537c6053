"""What a step of commissioning found."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from pydantic import BaseModel, ConfigDict

from edge.clock import utc_now
from edge.commission.remedies import remedy_of


class StepOutcome(str, Enum):
    """SKIPPED: the step needs a person, or a device that this station does not have."""

    GO = "GO"
    NO_GO = "NO-GO"
    SKIPPED = "SKIPPED"


class FrozenRecord(BaseModel):
    """Frozen, written as JSON and read back; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Figure(FrozenRecord):
    """One measured number. low, high: its limits, where it has any; both still pass."""

    name: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def fits(self) -> bool:
        above = self.low is None or self.value >= self.low
        return above and (self.high is None or self.value <= self.high)

    @property
    def limits(self) -> str:
        """In words; empty where there are none."""
        low = "" if self.low is None else f"at least {rounded(self.low)}"
        high = "" if self.high is None else f"at most {rounded(self.high)}"
        return ", ".join(filter(None, (low, high)))

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name} {rounded(self.value)}{unit}"


class Proposal(FrozenRecord):
    """A value for a key of station.toml that was measured. It is never written unasked.

    mends: the figure that is within its limits once it is written.
    """

    section: str
    key: str
    value: float | int
    why: str
    mends: str

    @property
    def line(self) -> str:
        """As it stands in the file."""
        return f"{self.key} = {self.value}"


class StepReason(FrozenRecord):
    """Why a step is not GO, and the remedy, each in one line."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


class StepResult(FrozenRecord):
    """A step, when, what came of it, and for what that holds.

    reasons: of NO-GO, one for each thing that is wrong; ``reason`` is all of them in one line.
    holds_for: names of what the step depends on → digests (edge/commission/fingerprint.py); with
    another digest the result says nothing any more.
    """

    step: str
    outcome: StepOutcome
    reason: str
    reasons: tuple[StepReason, ...] = ()
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    pictures: tuple[str, ...] = ()
    utc: str = ""
    holds_for: dict[str, str] = {}

    def figure(self, name: str) -> float | None:
        """The value of a figure, None where it was not measured."""
        return next((figure.value for figure in self.figures if figure.name == name), None)


def judged(
    step: str,
    figures: Sequence[Figure],
    *,
    faults: Sequence[str | StepReason] = (),
    good: str = "",
    notes: Sequence[str] = (),
    proposals: Sequence[Proposal] = (),
    pictures: Sequence[str] = (),
) -> StepResult:
    """GO where every figure is within its limits and there is no fault; ``good`` is then the
    reason. Faults come before figures: they say more. A fault without a remedy has the step's."""
    wrong = [
        one if isinstance(one, StepReason) else StepReason(what=one, remedy=remedy_of(step))
        for one in faults
    ]
    wrong += [
        StepReason(what=f"{figure}, {figure.limits}", remedy=remedy_of(step, figure.name))
        for figure in figures
        if not figure.fits
    ]
    return StepResult(
        step=step,
        outcome=StepOutcome.NO_GO if wrong else StepOutcome.GO,
        reason="; ".join(one.what for one in wrong) if wrong else good,
        reasons=tuple(wrong),
        figures=tuple(figures),
        notes=tuple(notes),
        proposals=tuple(proposals),
        pictures=tuple(pictures),
        utc=utc_now(),
    )


def skipped(step: str, reason: str) -> StepResult:
    """A step that was not done."""
    return StepResult(step=step, outcome=StepOutcome.SKIPPED, reason=reason, utc=utc_now())


def rounded(value: float) -> str:
    """A number as a person reads it: four digits that mean something."""
    if value == 0 or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.4g}"
