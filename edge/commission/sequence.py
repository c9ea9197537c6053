"""The steps in order, each on what those before it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from edge.commission.context import CommissionContext
from edge.commission.fingerprint import subject
from edge.commission.record import STEPS, CommissionRecord, conclude, held_for
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


def walk(
    bench: CommissionContext,
    wanted: Sequence[str],
    *,
    show: Callable[[StepResult], None],
    write: Callable[[CommissionContext, Sequence[Proposal]], CommissionContext] | None = None,
    may_skip: Sequence[str] = (),
) -> tuple[CommissionRecord, tuple[StepResult, ...]]:
    """Every wanted step in the order of STEPS, and the speed in any case: it is arithmetic.

    The record, which joins bench.done, and the results of this walk alone. write: puts proposals
    into station.toml and returns the bench of the station that it then is; None: nobody wants that.
    Blocks. Raises OutfeedError.
    """
    results: list[StepResult] = []
    done = dict(bench.done)
    for step in STEPS:
        if step not in wanted and step != "speed":
            continue
        result = RUNS[step](replace(bench, done=done))
        if result.proposals and write is not None:
            bench = write(bench, result.proposals)
            result = written(result)
        result = held_for(result, subject(bench.config, bench.bundle))
        if step not in wanted and result.outcome is StepOutcome.SKIPPED:
            done.pop(step, None)  # the speed, of which too little is known yet
            continue
        done[step] = result
        results.append(result)
        show(result)
    holds_for = subject(bench.config, bench.bundle)
    record = conclude(
        bench.config.id, bench.bundle.id, list(done.values()), holds_for, may_skip=may_skip
    )
    return record, tuple(results)


def written(result: StepResult) -> StepResult:
    """The result once its proposals are in station.toml: the figures that they mend have no limits
    any more, and where no other is outside, it is GO."""
    mended = {proposal.mends for proposal in result.proposals}
    figures = tuple(
        figure.model_copy(update={"low": None, "high": None}) if figure.name in mended else figure
        for figure in result.figures
    )
    said = ", ".join(proposal.line for proposal in result.proposals)
    if any(not figure.fits for figure in figures):
        return result.model_copy(update={"figures": figures, "proposals": ()})
    return result.model_copy(
        update={
            "outcome": StepOutcome.GO,
            "reason": f"written to station.toml: {said}",
            "figures": figures,
            "proposals": (),
        }
    )
