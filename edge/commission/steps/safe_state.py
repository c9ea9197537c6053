"""Step safe-state: what parts meet while nobody drives the ejector, and who has accepted it."""

from __future__ import annotations

from collections.abc import Mapping

from edge.commission.context import CommissionContext
from edge.commission.fingerprint import changed
from edge.commission.record import CommissionRecord
from edge.commission.result import StepOutcome, StepReason, StepResult, judged, skipped
from edge.config.station import StationConfig

STEP = "safe-state"
REMEDY = (
    'set output.safe_state = "active", with a pull resistor that holds the line so, or stop the '
    "belt with the station and accept it in `outfeed commission --step safe-state`"
)


def undriven(config: StationConfig) -> str | None:
    """In words, what parts do while no rejector drives the line, where that is not what on_unknown
    says; None: it is."""
    if config.line.on_unknown != "reject" or config.output.safe_state != "inactive":
        return None
    return (
        "on_unknown is reject and safe_state is inactive: while nobody drives the output (before "
        "the start, after the end, in a restart, without power) parts pass without a verdict"
    )


def accepted(record: CommissionRecord | None, now: Mapping[str, str]) -> StepResult | None:
    """The result of an earlier commissioning in which somebody accepted it, as long as it holds."""
    result = None if record is None else record.result(STEP)
    if result is None or result.outcome is not StepOutcome.GO or changed(result.holds_for, now):
        return None
    return result


def run_safe_state(bench: CommissionContext) -> StepResult:
    """GO where parts without a verdict are rejected also while nobody drives the output, where they
    may pass at any time, or where a person accepts that they pass then. Asks; blocks."""
    said = undriven(bench.config)
    if said is None:
        line, output = bench.config.line, bench.config.output
        return judged(
            STEP, (), good=f"on_unknown is {line.on_unknown}, safe_state is {output.safe_state}"
        )
    if bench.person.confirm(f"{said}. Is the belt stopped then, or is that accepted?"):
        return judged(STEP, (), good=f"accepted: {said}")
    if not bench.person.there:
        return skipped(STEP, f"needs a person who accepts it, or --yes: {said}")
    return judged(STEP, (), faults=(StepReason(what=f"not accepted: {said}", remedy=REMEDY),))
