"""The section on the time budget: with a teacher whose accuracy is known, and without a budget."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from models.distillation.record import TeacherRecord
from models.ladder.record import BudgetRecord, RungTime
from models.report.findings import Findings
from models.report.more_time import what_more_time_buys
from tests.models.report.pages import text_of

BUDGET = BudgetRecord(
    budget_ms=5.0,
    target="this machine",
    is_estimate=False,
    method="measured here",
    scale=1.0,
    width=96,
    height=96,
    region_ms=0.1,
    rungs=(
        RungTime(network="lean", p50_ms=1.0, p99_ms=1.1, needs_ms=1.4),
        RungTime(network="large", p50_ms=6.0, p99_ms=6.5, needs_ms=7.5),
    ),
    methods=(RungTime(network="memory-bank", p50_ms=2.0, p99_ms=2.1, needs_ms=2.5),),
    chosen="lean",
)
TEACHER = TeacherRecord(
    kind="run", name="runs/x", architecture="large", sha256="0", metrics={"image_ap": 0.987}
)


def test_a_teacher_shows_what_its_time_buys(findings: Findings) -> None:
    record = findings.record.model_copy(update={"budget": BUDGET, "teacher": TEACHER})
    html = what_more_time_buys(replace(findings, record=record))
    text = text_of(html)
    assert "lean is the largest network within 5 ms" in text
    assert f"lean 1 1.1 1.4 chosen {findings.metrics['mean_iou']:.3f}" in text
    assert "large 6 6.5 7.5 no, 2.5 ms too slow not trained here 0.987 not trained here" in text
    assert "memory-bank 2 2.1 2.5 yes not trained here" in text
    assert "<svg" in html
    assert "The next larger network is large, with a budget of 7.5 ms" in text


def test_nothing_more_to_buy(findings: Findings) -> None:
    generous = BUDGET.model_copy(update={"budget_ms": 9.0, "chosen": "large"})
    record = findings.record.model_copy(update={"budget": generous})
    html = what_more_time_buys(replace(findings, record=record))
    assert "Every network fits the budget" in text_of(html)
    assert "<svg" not in html, "one known network is no plot"


def test_without_a_budget_it_says_how_to_give_one(findings: Findings) -> None:
    text = text_of(what_more_time_buys(findings))
    assert "No time budget was given." in text
    assert "BUDGET_MS=5" in text
