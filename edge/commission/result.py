"""The results of commissioning steps: figures, reasons, proposals and the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from pydantic import BaseModel, ConfigDict

from edge.clock import utc_now
from edge.commission.remedies import remedy_of


class StepOutcome(str, Enum):
    """The outcome of a step. SKIPPED: it needs an operator, or a device that is missing here."""

    GO = "GO"
    NO_GO = "NO-GO"
    SKIPPED = "SKIPPED"


class FrozenRecord(BaseModel):
    """The base of the records in commission.json. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Figure(FrozenRecord):
    """One measured number. low, high: inclusive limits; None for no limit."""

    name: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def fits(self) -> bool:
        """True where the value is within the limits."""
        above = self.low is None or self.value >= self.low
        return above and (self.high is None or self.value <= self.high)

    @property
    def limits(self) -> str:
        """The limits as text; empty where there are none."""
        low = "" if self.low is None else f"at least {rounded(self.low)}"
        high = "" if self.high is None else f"at most {rounded(self.high)}"
        return ", ".join(filter(None, (low, high)))

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name} {rounded(self.value)}{unit}"


class Proposal(FrozenRecord):
    """A measured value for a key of station.toml. It is written only with --write or --apply.

    mends: the name of the figure that is within its limits once the value is written.
    """

    section: str
    key: str
    value: float | int
    why: str
    mends: str

    @property
    def line(self) -> str:
        """The line as it stands in station.toml."""
        return f"{self.key} = {self.value}"


class StepReason(FrozenRecord):
    """One reason why a step is not GO, and its remedy, each in one line."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


class StepResult(FrozenRecord):
    """The result of one step, with its time and the parts of the station that it is valid for.

    reasons: one for each fault of a NO-GO; ``reason`` joins them in one line.
    holds_for: the name of each part of the station that the step depends on, with its digest
    (edge/commission/fingerprint.py). With another digest the result is no longer valid.
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
        """Return the value of a figure, or None where it was not measured."""
        return next((figure.value for figure in self.figures if figure.name == name), None)


def judge_figures(
    step: str,
    figures: Sequence[Figure],
    *,
    faults: Sequence[str | StepReason] = (),
    good: str = "",
    notes: Sequence[str] = (),
    proposals: Sequence[Proposal] = (),
    pictures: Sequence[str] = (),
) -> StepResult:
    """Return the result of a step: GO without faults and with every figure within its limits.

    The reason of GO is ``good``. Otherwise return NO-GO. Faults come before figures because they
    are more specific. A fault without a remedy receives the general remedy of the step.
    """
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


def skipped_step(step: str, reason: str) -> StepResult:
    """Return the result of a step that was not done."""
    return StepResult(step=step, outcome=StepOutcome.SKIPPED, reason=reason, utc=utc_now())


def rounded(value: float) -> str:
    """Return a number as text with four significant digits."""
    if value == 0 or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.4g}"
