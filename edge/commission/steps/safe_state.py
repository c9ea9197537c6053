"""Step safe-state: the state of the output while no process drives it, and its acceptance."""

from __future__ import annotations

from collections.abc import Mapping

from edge.commission.context import CommissionContext
from edge.commission.fingerprint import changed_names
from edge.commission.record import CommissionRecord
from edge.commission.result import StepOutcome, StepReason, StepResult, judge_figures, skipped_step
from edge.config.station import StationConfig

STEP = "safe-state"
REMEDY = (
    'set output.safe_state = "active", with a pull resistor that holds the line at that level; or '
    "stop the belt together with the station, and accept it in `outfeed commission --step "
    "safe-state`"
)


def undriven_risk(config: StationConfig) -> str | None:
    """Return a text where parts pass without a verdict although on_unknown is "reject".

    This happens while no rejector drives the output, if its safe state is inactive. Otherwise
    return None.
    """
    if config.line.on_unknown != "reject" or config.output.safe_state != "inactive":
        return None
    return (
        "on_unknown is reject and safe_state is inactive: while no process drives the output "
        "(before "
        "the start, after the end, in a restart, without power) parts pass without a verdict"
    )


def accepted_result(record: CommissionRecord | None, now: Mapping[str, str]) -> StepResult | None:
    """Return the earlier result in which an operator accepted the risk, while it is valid."""
    result = None if record is None else record.result(STEP)
    if (
        result is None
        or result.outcome is not StepOutcome.GO
        or changed_names(result.holds_for, now)
    ):
        return None
    return result


def run_safe_state(context: CommissionContext) -> StepResult:
    """Check what happens to parts while no process drives the output. Asks the operator; blocks.

    GO where such parts are ejected, where on_unknown lets them pass anyway, or where the operator
    accepts that they pass.
    """
    risk = undriven_risk(context.config)
    if risk is None:
        line, output = context.config.line, context.config.output
        return judge_figures(
            STEP, (), good=f"on_unknown is {line.on_unknown}, safe_state is {output.safe_state}"
        )
    if context.operator.confirm(f"{risk}. Does the belt stop then, or do you accept this?"):
        return judge_figures(STEP, (), good=f"accepted: {risk}")
    if not context.operator.present:
        return skipped_step(STEP, f"needs an operator who accepts it, or --yes: {risk}")
    return judge_figures(
        STEP, (), faults=(StepReason(what=f"not accepted: {risk}", remedy=REMEDY),)
    )
