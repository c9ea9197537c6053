"""The page: what it holds, and what it does not."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from models.data.dataset import DataError
from models.evaluation.metrics import WORDS, Match
from models.evaluation.tradeoff import points_of, sweep_run
from models.report import write_report
from models.report.cases import Case
from models.report.exported import ExportRecord
from models.report.findings import Findings, gather
from models.report.write import render
from models.runs.run import Run
from tests.models.report.pages import Reader, text_of


@pytest.fixture(scope="module")
def html(findings: Findings) -> str:
    return render(findings)


def test_nothing_comes_from_elsewhere(html: str) -> None:
    reader = Reader(html)
    assert all(found.startswith(("data:image/", "#")) for found in reader.references)
    assert "http" not in html
    assert not re.search(r"@import|url\((?!#)", html)
    assert not reader.tags.keys() & {"script", "link", "iframe", "object"}
    assert 'name="viewport"' in html
    assert len(html) < 3_000_000


def test_every_figure_of_the_result_is_there(run: Run, html: str) -> None:
    text = text_of(html)
    result = json.loads(run.result_path.read_text())
    for chain in result["metrics"].values():
        for value in chain.values():
            assert f" {value:.4f}".rstrip("0").rstrip(".") in text
    assert f"T = {result['threshold']:g}" in text
    assert all(WORDS[name] in text for name in result["metrics"]["float"])
    keys = [name for name in WORDS if "_" in name]
    assert not any(re.search(rf"\b{name}\b", text) for name in keys), "no key of a file"
    assert html.count("<svg") == 6  # trade-off, search, ranking, confusion, two losses
    for title in ("training loss", "Search for T", "Precision and recall of pictures"):
        assert title in html


def test_data_and_recipe_are_there(findings: Findings, html: str) -> None:
    text = text_of(html)
    record = findings.record
    assert f"Recipe {record.recipe.name}, detector lean; data {Path(record.data).name}" in text
    assert json.dumps(record.recipe.guidance["pit"]) in text
    train, held_back = findings.train, findings.validation
    row = [
        str(count)
        for side in (train, held_back)
        for count in (
            sum("pit" in sample.kinds for sample in side),
            len({sample.group for sample in side if "pit" in sample.kinds}),
        )
    ]
    assert " ".join(["pit", *row]) in text
    assert f"all {len(train)} {len(train)} {len(held_back)} {len(held_back)}" in text


def test_the_curve_stands_in_a_table(findings: Findings, html: str) -> None:
    text = text_of(html)
    for point in findings.points[::8]:
        assert f"{point.threshold:g} {point.escapes} of {point.defective} " in text


def test_equal_findings_give_equal_pages(findings: Findings, html: str) -> None:
    assert render(findings) == html


def test_it_takes_outcomes_that_somebody_has(run: Run, findings: Findings) -> None:
    swept = sweep_run(run)
    again = gather(run, 0.005, 1000, outcomes=swept)
    assert again.points == findings.points == points_of(swept)
    with pytest.raises(DataError, match="lack the run's T"):
        gather(run, 0.005, 1000, outcomes={0.1: findings.outcomes})


def test_write_report_replaces_the_page_whole(run: Run, findings: Findings) -> None:
    swept = {point.threshold: findings.outcomes for point in findings.points}
    path = write_report(run, outcomes=swept, max_false_rejects=0.02)
    assert path == run.folder / "report.html"
    assert "For at most 2% false rejects" in path.read_text(encoding="utf-8")
    assert not list(run.folder.glob(".*.part"))


def test_names_are_escaped(findings: Findings) -> None:
    """A file may be called <b>.png and a kind <script>."""
    evil = "<script>alert(1)</script>"
    case = replace(
        (findings.cases.misses + findings.cases.alarms or (_case(),))[0], name=evil, caption=evil
    )
    record = findings.record.model_copy(update={"data": evil, "kinds": (evil, "pit")})
    match = Match(evil, 0.0, "")
    outcomes = tuple(
        replace(o, name=evil, kinds=(evil,), matches=(match,)) for o in findings.outcomes
    )
    html = render(
        replace(
            findings,
            name=evil,
            record=record,
            outcomes=outcomes,
            cases=replace(findings.cases, misses=(case,), alarms=(case,)),
        )
    )
    reader = Reader(html)
    assert "script" not in reader.tags
    assert "".join(reader.text).count(evil) > 5
    assert 'alt="&lt;script&gt;' in html


def _case() -> Case:
    uri = "data:image/jpeg;base64,"
    return Case("a.png", "", uri, uri)


def test_export_is_shown(run: Run, findings: Findings) -> None:
    metrics = {**findings.metrics, "escapes": 1.0}
    record = ExportRecord(
        bundle="line-1-0123456789ab",
        file="line.outfeed",
        precision="int8",
        threshold=7.25,
        keep_severity=0.5,
        max_false_rejects=0.01,
        metrics={"float32": findings.metrics, "int8": metrics},
        parity={"onnx-int8": {"mask_iou": 0.987654, "missed": float("nan")}},
    )
    text = text_of(render(replace(findings, exported=record)))
    assert "bundle line-1-0123456789ab, T = 7.25, chosen for at most 1% false rejects" in text
    assert f"bundle int8 7.25 1 of {metrics['defective']:.0f} (" in text
    assert "IoU of the masks 0.9877" in text
