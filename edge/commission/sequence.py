"""The sequence of commissioning steps. Each step can use the results of those before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from edge.commission.context import CommissionContext
from edge.commission.fingerprint import fingerprints
from edge.commission.record import STEPS, CommissionRecord, conclude, with_fingerprints
from edge.commission.result import Proposal, StepOutcome, StepResult
from edge.commission.steps.focus import run_focus
from edge.commission.steps.parts import run_parts
from edge.commission.steps.pulse import run_pulse
from edge.commission.steps.safe_state import run_safe_state
from edge.commission.steps.speed import run_speed
from edge.commission.steps.timing import run_timing
from edge.commission.steps.travel import run_travel

RUNS: Mapping[str, Callable[[CommissionContext], StepResult]] = {
    "focus": run_focus,
    "parts": run_parts,
    "travel": run_travel,
    "pulse": run_pulse,
    "safe-state": run_safe_state,
    "timing": run_timing,
    "speed": run_speed,
}


def run_steps(
    context: CommissionContext,
    wanted: Sequence[str],
    *,
    show: Callable[[StepResult], None],
    write: Callable[[CommissionContext, Sequence[Proposal]], CommissionContext] | None = None,
    may_skip: Sequence[str] = (),
) -> tuple[CommissionRecord, tuple[StepResult, ...]]:
    """Run the wanted steps in the order of STEPS. Step speed always runs: it only calculates.

    Return the record, which includes the results in context.done, and the results of this call
    alone. write: writes proposals into station.toml and returns the context with the new
    configuration; None: proposals are not written. Blocks. Raises OutfeedError.
    """
    results: list[StepResult] = []
    done = dict(context.done)
    for step in STEPS:
        if step not in wanted and step != "speed":
            continue
        result = RUNS[step](replace(context, done=done))
        if result.proposals and write is not None:
            context = write(context, result.proposals)
            result = as_written(result)
        result = with_fingerprints(result, fingerprints(context.config, context.bundle))
        if step not in wanted and result.outcome is StepOutcome.SKIPPED:
            done.pop(step, None)  # step speed still lacks figures of other steps
            continue
        done[step] = result
        results.append(result)
        show(result)
    holds_for = fingerprints(context.config, context.bundle)
    record = conclude(
        context.config.id, context.bundle.id, list(done.values()), holds_for, may_skip=may_skip
    )
    return record, tuple(results)


def as_written(result: StepResult) -> StepResult:
    """Return the result after its proposals were written into station.toml.

    The figures that the proposals mend lose their limits. If no other figure is outside its limits,
    the outcome becomes GO.
    """
    mended = {proposal.mends for proposal in result.proposals}
    figures = tuple(
        figure.model_copy(update={"low": None, "high": None}) if figure.name in mended else figure
        for figure in result.figures
    )
    lines = ", ".join(proposal.line for proposal in result.proposals)
    if any(not figure.fits for figure in figures):
        return result.model_copy(update={"figures": figures, "proposals": ()})
    return result.model_copy(
        update={
            "outcome": StepOutcome.GO,
            "reason": f"written to station.toml: {lines}",
            "figures": figures,
            "proposals": (),
        }
    )
