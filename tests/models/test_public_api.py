"""The public training API: names, a training, errors, and the cost of importing it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

import models
from edge import OutfeedError, UsageError
from models import DataError, Recipe, TrainingRun, load_recipe, train
from models.runs.run import Run
from tests.models.candidates.standins import method, register, write_sorted
from tests.support.tinyrun import RECIPE, write_pictures

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/python-api.md"


def test_importing_models_does_not_import_torch() -> None:
    code = "import models, sys\nassert not {'torch', 'numpy', 'cv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_public_names_are_found_and_documented() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert set(models.__all__) <= set(dir(models))
    for name in models.__all__:
        assert getattr(models, name).__doc__
        assert f"`{name}" in text or f"import {name}" in text or f", {name}" in text
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = models.nothing


def test_a_training_returns_its_run(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(
        update={"classifier": RECIPE.classifier.model_copy(update={"enabled": False})}
    )
    threads = torch.get_num_threads()
    run = train(write_pictures(tmp_path / "data"), recipe, out=tmp_path / "run", threads=1)
    assert torch.get_num_threads() == threads
    result = Run(run.folder).result()
    assert run == TrainingRun(
        folder=tmp_path / "run",
        report=tmp_path / "run/report.html",
        method="regression",
        kinds=("bar", "pit"),
        threshold=result.threshold,
        metrics=result.metrics["float"],
    )
    assert run.metrics["image_ap"] > 0.9
    assert run.report.is_file()


def test_a_comparison_returns_the_recommended_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_ins = {"texture": method(blind=True), "memory-bank": method()}
    register(monkeypatch, tmp_path / "recipes", stand_ins)
    data = write_sorted(tmp_path / "data", 40, 0)
    run = train(str(data), out=str(tmp_path / "run"), max_false_rejects=0.02, threads=1)
    assert (run.folder, run.method) == (tmp_path / "run", "memory-bank")
    assert run.candidates == ("memory-bank", "texture")
    assert run.report == tmp_path / "run/report.html"
    assert Run(run.folder).record().recipe.chain.max_false_rejects == 0.02


def test_errors_are_outfeed_errors_of_one_line(tmp_path: Path) -> None:
    assert issubclass(DataError, OutfeedError)
    out = tmp_path / "run"
    with pytest.raises(DataError, match="no recipe 'nothing'; there are: "):
        train(tmp_path, "nothing", out=out)
    with pytest.raises(DataError, match="none"):
        train(tmp_path / "none", out=out)
    with pytest.raises(UsageError, match="threads is -1; expected 0 or more"):
        train(tmp_path, out=out, threads=-1)
    with pytest.raises(UsageError, match="max_false_rejects is 5; expected a share, 0 to 1"):
        train(tmp_path, out=out, max_false_rejects=5)
    assert not out.exists()


def test_a_recipe_is_a_record_that_can_be_changed(tmp_path: Path) -> None:
    assert isinstance(load_recipe("lean"), Recipe)
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\n[detector]\nsteps = 5\n')
    assert load_recipe(str(path)).detector.steps == 5
