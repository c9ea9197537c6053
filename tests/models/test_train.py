"""Training as a whole: a run from pictures, a kill, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from models.api import train
from models.data.dataset import DataError
from models.runs.preparation import keep_sides, prepare
from models.runs.run import Run
from models.training.recipe import Recipe
from models.training.session import train_folder
from tests.support.preloaded import run_module
from tests.support.tinyrun import RECIPE, write_pictures

ROOT = Path(__file__).resolve().parents[2]


def test_run_learns_and_logs_it(tiny_run: Path) -> None:
    result = Run(tiny_run).result()
    metrics = result.metrics["float"]
    assert metrics["image_ap"] > 0.95
    assert metrics["mean_iou"] > 0.6
    assert metrics["escapes"] == 0
    assert result.detector_loss[-1][0] == RECIPE.detector.steps
    assert 0 < result.threshold < 12
    best = max(result.curve, key=lambda point: point.mean_iou)
    assert best.mean_iou - 0.002 <= next(
        p.mean_iou for p in result.curve if p.threshold == result.threshold
    )


def test_validation_is_apart_from_training_and_listed(tiny_run: Path) -> None:
    run = Run(tiny_run)
    record = run.record()
    assert not set(record.train) & set(record.validation)
    listed = [Path(line) for line in run.validation_list.read_text().splitlines()]
    assert [path.name for path in listed] == [Path(name).name for name in record.validation]
    assert all(path.is_file() for path in listed)


@pytest.mark.timeout(700)
def test_killed_run_goes_on(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'name = "tiny"\n[detector]\nnetwork = "nano"\nsteps = 1000000\nbatch = 2\n'
        "patch_px = 64\n"
        'precision = "float32"\n[classifier]\nenabled = false\n'
    )
    command = [sys.executable, "-m", "models.training", "--data", str(data)]
    command += ["--recipe", str(recipe), "--out", str(tmp_path / "run"), "--threads", "1"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    checkpoint = tmp_path / "run" / "detector.ckpt"
    deadline = time.monotonic() + 600
    while not checkpoint.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = int(torch.load(checkpoint, weights_only=True)["step"])
    assert before >= 200
    # The same command goes on: its log holds the step from which.
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    log = tmp_path / "run" / "train.log"
    wanted = f"fit-resumed detector (nano) step={before}"
    while wanted not in log.read_text():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()


@pytest.mark.timeout(1000)
def test_the_first_interrupt_costs_no_step_and_the_command_says_so(tmp_path: Path) -> None:
    """Some steps in, long before the first checkpoint at step 200."""
    data = write_pictures(tmp_path / "data", 9)
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'name = "tiny"\n[detector]\nsteps = 1000000\nbatch = 64\npatch_px = 96\n'
        'precision = "float32"\n[classifier]\nenabled = false\n'
    )
    words = ["--data", str(data), "--recipe", str(recipe), "--out", str(tmp_path / "run")]
    with (tmp_path / "said.txt").open("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "models.training", *words, "--threads", "1"],
            cwd=ROOT,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log = tmp_path / "run" / "train.log"
        deadline = time.monotonic() + 600
        # The first line that comes from the silence itself, with the step under way.
        while not (log.exists() and " of 1000000 after " in log.read_text()):
            assert process.poll() is None, (tmp_path / "said.txt").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # To all of its processes, as a key on a terminal: those that make batches are among them.
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(300) == 130
    text = " ".join((tmp_path / "said.txt").read_text().split())
    step = int(torch.load(tmp_path / "run" / "detector.ckpt", weights_only=True)["step"])
    assert f"stopped: detector (lean) is saved at step {step} of 1000000" in text
    assert 0 < step < 200


def test_folder_of_another_run_is_refused(tiny_run: Path) -> None:
    other = RECIPE.model_copy(update={"seed": 1})
    with pytest.raises(DataError, match="another recipe or other data"):
        train_folder(Path(Run(tiny_run).record().data), other, tiny_run)


def _slow(recipe: Recipe) -> Recipe:
    """Return the recipe with a learning rate at which no weight moves."""
    options = recipe.detector.model_copy(update={"learning_rate": 1e-12, "steps": 2, "ema": 0.0})
    return recipe.model_copy(update={"detector": options})


def test_a_network_learns_further_from_its_own_weights(tiny_run: Path, tmp_path: Path) -> None:
    begun = Run(tiny_run)
    train_folder(Path(begun.record().data), _slow(RECIPE), tmp_path / "run", begun=begun)
    new = Run(tmp_path / "run")
    assert new.record().begun_from == begun.weights_sha256()
    old_network, network = begun.load_detector(), new.load_detector()
    assert isinstance(old_network, torch.nn.Module)
    assert isinstance(network, torch.nn.Module)
    for old, same in zip(old_network.parameters(), network.parameters(), strict=True):
        assert torch.allclose(old, same, atol=1e-6)


def test_parts_stay_on_the_side_of_the_earlier_run(tiny_run: Path) -> None:
    earlier = Run(tiny_run).record()
    split = earlier.recipe.split.model_copy(update={"seed": 3})
    recipe = earlier.recipe.model_copy(update={"split": split})
    prepared = prepare(Path(earlier.data), recipe)
    assert set(prepared.record.train) & set(earlier.validation), "the seed mixes the sides"
    kept = keep_sides(prepared, earlier)
    assert set(kept.record.train) == set(earlier.train)
    assert set(kept.record.validation) == set(earlier.validation)
    assert tuple(picture.sample.name for picture in kept.held_back) == kept.record.validation
    foreign = earlier.model_copy(update={"train": ("x",), "validation": ()})
    assert keep_sides(prepared, foreign).record.train == prepared.record.train
    only = earlier.model_copy(update={"train": (*earlier.train, *earlier.validation)})
    with pytest.raises(DataError, match="no good part is left"):
        keep_sides(prepared, only)


def test_another_network_is_not_trained_further(tiny_run: Path, tmp_path: Path) -> None:
    begun = Run(tiny_run)
    options = RECIPE.detector.model_copy(update={"network": "large"})
    other = RECIPE.model_copy(update={"detector": options})
    with pytest.raises(DataError, match="holds another network; expected large with the keys of"):
        train_folder(Path(begun.record().data), other, tmp_path / "run", begun=begun)
    threshold = Recipe.model_validate({"name": "t", "method": "threshold"})
    with pytest.raises(DataError, match="the method threshold cannot learn further"):
        train_folder(Path(begun.record().data), threshold, tmp_path / "run", begun=begun)
    assert not (tmp_path / "run").exists()


def test_the_recipe_of_the_earlier_run_is_used_unless_one_is_named(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Recipe] = []

    def prepare(_data: Path, recipe: Recipe, _groups: str | None) -> object:
        asked.append(recipe)
        raise DataError("seen")

    monkeypatch.setattr("models.training.session.prepare", prepare)
    data = Path(Run(tiny_run).record().data)
    for given in ("auto", RECIPE.model_copy(update={"seed": 5})):
        with pytest.raises(DataError, match="seen"):
            train(data, given, out=tmp_path / "run", begin_from=tiny_run)
    assert [recipe.seed for recipe in asked] == [RECIPE.seed, 5]


def test_data_without_defects_is_refused(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data", 9)
    shutil.rmtree(data / "masks")
    with pytest.raises(DataError, match="carries an annotated defect"):
        train_folder(data, RECIPE, tmp_path / "run")


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ((), 1, "none: is not a folder; expected the folder of a data set"),
        (("--recipe", "nothing"), 2, "no recipe 'nothing'; there are: "),
        (("--max-false-rejects", "much"), 2, "'much' is no share"),
        (("--from", "nowhere"), 1, "nowhere"),
    ],
)
def test_the_command_reports_an_error_in_one_line_on_stderr(
    tmp_path: Path, options: tuple[str, ...], status: int, message: str
) -> None:
    words = ("--data", tmp_path / "none", "--out", tmp_path / "run", *options)
    result = run_module("models.training", *words)
    assert result.returncode == status
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("train: ")
    assert message in result.stderr


def test_an_unknown_option_of_the_command_is_a_usage_error(tmp_path: Path) -> None:
    result = run_module("models.training", "--data", tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "--out" in result.stderr


def test_changed_data_is_noticed(tiny_run: Path, tmp_path: Path) -> None:
    record = Run(tiny_run).record()
    changed = record.model_copy(update={"train": (*record.train, "images/gone.png")})
    run = Run(tmp_path / "run")
    run.begin(changed)
    with pytest.raises(DataError, match=r"images/gone\.png is gone"):
        run.open_data()
    assert json.loads(run.record_path.read_text())["layout"] == "generic"


def test_weights_of_another_network_are_one_line(tiny_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_run, tmp_path / "run")
    torch.save({"stem.0.weight": torch.zeros(1)}, folder / "detector.pt")
    with pytest.raises(DataError, match=r"detector\.pt: holds weights that do not fit") as error:
        Run(folder).load_detector()
    assert "\n" not in str(error.value)
