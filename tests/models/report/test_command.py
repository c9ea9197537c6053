"""The station's results, and the command."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from models.data.dataset import DataError
from models.report import InspectResults, write_report
from models.report.findings import gather
from models.report.write import render
from models.runs.run import Run
from tests.models.report.pages import text_of
from tests.support.inspect_results import write_results
from tests.support.preloaded import run_module

ROOT = Path(__file__).resolve().parents[3]


def keep_validation(run: Run, results: Path) -> None:
    """Remove the lines of training pictures."""
    names = {Path(name).name for name in run.record().validation}
    lines = results.read_text().splitlines()
    lines = [line for line in lines if json.loads(line)["file"] in names]
    results.write_text("\n".join(lines) + "\n")


def test_the_results_of_a_station_are_shown(run: Run, tmp_path: Path) -> None:
    results, masks = write_results(tmp_path, Path(run.record().data))
    station = InspectResults(results, masks)
    with pytest.raises(DataError, match="is no validation picture of the run"):
        gather(run, 0.005, 1000, station=station)
    keep_validation(run, results)
    findings = gather(run, 0.005, 1000, station=station)
    assert {o.name for o in findings.station} == set(run.record().validation)
    text = text_of(render(findings))
    assert "station (outfeed inspect) – 0 of" in text
    assert "station (outfeed inspect): annotated down, reported across" in text


def test_a_run_without_a_classifier(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "bare")
    bare = Run(tmp_path / "bare")
    record = bare.record()
    recipe = record.recipe.model_copy(
        update={"classifier": record.recipe.classifier.model_copy(update={"enabled": False})}
    )
    bare.record_path.write_text(record.model_copy(update={"recipe": recipe}).model_dump_json())
    bare.finish(bare.result().model_copy(update={"classifier_loss": ()}))
    html = write_report(bare).read_text(encoding="utf-8")
    assert html.count("<svg") == 5


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_module("models.report", *arguments)


def test_command_writes_the_page(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    out = tmp_path / "run"
    results, masks = write_results(tmp_path / "inspected", Path(run.record().data))
    keep_validation(run, results)
    options = ["--results", str(results), "--masks", str(masks), "--max-false-rejects", "3%"]
    done = run_command("--run", str(out), *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(out / "report.html") in done.stdout
    text = text_of((out / "report.html").read_text(encoding="utf-8"))
    assert "For at most 3% false rejects" in text
    assert "station (outfeed inspect)" in text


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--results", "x"), 2, "expected both --results and --masks, or neither"),
        (("--max-false-rejects", "much"), 2, "is no share"),
        ((), 1, "expected a training run"),
    ],
)
def test_the_command_reports_an_error_in_one_line(
    tmp_path: Path, options: tuple[str, ...], status: int, message: str
) -> None:
    done = run_command("--run", str(tmp_path), *options)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
