"""The section of the report on the time budget: what a slower network would bring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from models.ladder.budget import lines
from models.ladder.record import BudgetRecord, RungTime
from models.report import page
from models.report.findings import Findings
from models.report.plots import scatter_plot
from models.runs.commands import make

# Name of a metric, and the words of its column.
FIGURES = (("mean_iou", "mean IoU"), ("image_ap", "image AP"), ("image_auroc", "image AUROC"))
UNKNOWN = "not trained here"


def what_more_time_buys(findings: Findings) -> str:
    """Return the section: the time of every rung, and the accuracy of those that were trained."""
    budget = findings.record.budget
    compare = make("ladder", DATA=findings.record.data)
    if budget is None:
        return page.section(
            "What more time would buy",
            page.paragraph(
                "No time budget was given. `make train … BUDGET_MS=5` times every size of the "
                f"network and trains the largest that fits. `{compare}` trains all of them."
            ),
        )
    known = dict(_known(findings))
    first, *rest = lines(budget)
    parts = [page.paragraph(f"{first}.", "lead"), page.paragraph(f"{rest[0]}; {rest[1]}.")]
    parts.append(page.table(_head(known), [*_rows(budget, known)]))
    points = [
        (rung.network, rung.p99_ms, known[rung.network]["image_ap"])
        for rung in budget.rungs
        if "image_ap" in known.get(rung.network, {})
    ]
    if len(points) > 1:
        svg = scatter_plot(
            points,
            title="Accuracy against time",
            x_label="p99, ms a frame",
            y_label="image AP",
            x_log=True,
        )
        parts.append(page.plot(svg, "Networks that were trained on this data, in float."))
    parts.append(page.paragraph(_next(budget, compare), "small"))
    return page.section("What more time would buy", *parts)


def _known(findings: Findings) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Yield the networks whose accuracy on this data is known, with the metrics of their chain."""
    yield findings.record.recipe.detector_name, findings.metrics
    teacher = findings.record.teacher
    if teacher is not None and teacher.metrics:
        yield teacher.architecture, teacher.metrics


def _head(known: Mapping[str, Mapping[str, float]]) -> tuple[str, ...]:
    return (
        "network",
        "p50, ms",
        "p99, ms",
        "needs a budget of, ms",
        "in this budget",
        *(words for name, words in FIGURES if any(name in each for each in known.values())),
    )


def _rows(
    budget: BudgetRecord, known: Mapping[str, Mapping[str, float]]
) -> Iterator[tuple[str, ...]]:
    for each in (*budget.rungs, *budget.methods):
        yield (
            each.network,
            f"{each.p50_ms:.3g}",
            f"{each.p99_ms:.3g}",
            f"{each.needs_ms:.3g}",
            _fits(budget, each),
            *(
                f"{known[each.network][name]:.3f}"
                if name in known.get(each.network, {})
                else UNKNOWN
                for name, _ in FIGURES
                if any(name in some for some in known.values())
            ),
        )


def _fits(budget: BudgetRecord, each: RungTime) -> str:
    if each.network == budget.chosen:
        return "chosen"
    over = each.needs_ms - budget.budget_ms
    return f"no, {over:.3g} ms too slow" if over > 0 else "yes"


def _next(budget: BudgetRecord, compare: str) -> str:
    larger = [rung for rung in budget.rungs if not budget.fits(rung.needs_ms)]
    if not larger:
        return "Every network fits the budget, so more time would buy nothing."
    return (
        f"The next larger network is {larger[0].network}, with a budget of "
        f"{larger[0].needs_ms:.3g} ms. `{compare}` trains every network and measures what each "
        "finds."
    )
