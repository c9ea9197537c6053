"""The time of a packed bundle against the time budget of its run."""

from __future__ import annotations

from pathlib import Path

from edge.benchmark.selection import SelectionRequest, select
from edge.bundle import Bundle
from edge.config.engine import EngineConfig
from models.ladder.budget import needs_ms
from models.ladder.record import BudgetRecord, BudgetVerdict

SECONDS = 2.0  # for each engine


def check_budget(path: Path, bundle: Bundle, budget: BudgetRecord) -> BudgetVerdict:
    """Time a packed bundle on its golden frames, on one core, and compare it with the budget.

    The fastest engine counts, as ``outfeed bench --select`` finds it, and of its frames the slower
    sort: with regions or without. Blocks for some seconds per engine. path: file of the bundle.
    """
    request = SelectionRequest(bundle, path, EngineConfig(threads=1))
    chosen = select(request, seconds=SECONDS, repeat=None, progress=False).chosen
    if chosen is None:
        return BudgetVerdict(budget_ms=budget.budget_ms, target=budget.target, is_met=False)
    sorts = [times for times in (chosen.clean, chosen.regions) if times is not None]
    if budget.spread is None:
        p99_ms = max(times.p99_ms for times in sorts)
    else:
        p99_ms = max(times.p50_ms for times in sorts) * budget.scale * budget.spread
    needed = needs_ms(p99_ms, 0.0)
    return BudgetVerdict(
        budget_ms=budget.budget_ms,
        target=budget.target,
        is_met=budget.fits(needed),
        is_estimate=budget.is_estimate,
        engine=f"{chosen.package} {chosen.build}",
        p99_ms=p99_ms,
        needs_ms=needed,
    )


def budget_words(verdict: BudgetVerdict) -> str:
    """Return a sentence on whether the bundle meets the budget."""
    if verdict.p99_ms is None or verdict.needs_ms is None:
        return f"The budget of {verdict.budget_ms:g} ms: the bundle could not be timed."
    result = "meets" if verdict.is_met else "does NOT meet"
    found = "an estimate" if verdict.is_estimate else "measured on its golden frames"
    return (
        f"The bundle {result} the budget of {verdict.budget_ms:g} ms on {verdict.target}: with the "
        f"reserve it needs {verdict.needs_ms:.3g} ms (p99 {verdict.p99_ms:.3g} ms, "
        f"{verdict.engine}, {found})."
    )
