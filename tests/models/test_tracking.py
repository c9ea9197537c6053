"""`make train TRACK=…`: what TensorBoard and MLflow keep of a training."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")

from edge.errors import UsageError
from models.runs.run import Run
from models.training import tracking
from models.training.recipe import as_toml
from models.training.tracking import record, tracked
from tests.support.tinyrun import RECIPE, write_pictures

ROOT = Path(__file__).parents[2]


def train(data: Path, out: Path, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    recipe = data.parent / "tiny.toml"
    values = RECIPE.model_copy(
        update={"detector": RECIPE.detector.model_copy(update={"steps": 60})}
    )
    recipe.write_text(as_toml(values))
    words = [sys.executable, "-m", "models.training", "--data", data, "--out", out]
    words += ["--recipe", recipe, "--threads", "1", "--track", name]
    return subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_tensorboard_reads_losses_figures_and_the_recipe(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="extra track"
    )
    data, out = write_pictures(tmp_path / "data"), tmp_path / "run"
    done = train(data, out, "tensorboard")
    assert done.returncode == 0, done.stderr
    events = accumulator.EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    result = Run(out).result()
    losses = [(e.step, e.value) for e in events.Scalars("loss/detector (lean)")]
    assert losses == [(step, pytest.approx(loss)) for step, loss in result.detector_loss]
    (escapes,) = events.Scalars("float/escapes")
    assert escapes.value == result.metrics["float"]["escapes"]
    (threshold,) = events.Scalars("run/threshold")
    assert threshold.value == pytest.approx(result.threshold)
    (text,) = events.Tensors("recipe/text_summary")
    assert (
        b"max_false_rejects" in text.tensor_proto.string_val[0]
        or b"[chain]" in (text.tensor_proto.string_val[0])
    )


# MLflow's own use of SQLAlchemy warns.
@pytest.mark.filterwarnings("ignore")
def test_mlflow_keeps_one_run_for_a_training_that_continues(tmp_path: Path) -> None:
    mlflow: Any = pytest.importorskip("mlflow", reason="extra track")
    data, out = write_pictures(tmp_path / "data"), tmp_path / "run"
    for _ in range(2):
        done = train(data, out, "mlflow")
        assert done.returncode == 0, done.stderr
    client = mlflow.MlflowClient(f"sqlite:///{out}/mlflow.db")
    experiment = client.get_experiment_by_name("outfeed")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_id == (out / "mlflow-run.txt").read_text().strip()
    assert run.data.params["chain.join_px"] == "4.0"
    result = Run(out).result()
    assert run.data.metrics["float/false_rejects"] == result.metrics["float"]["false_rejects"]
    assert run.data.metrics["loss/detector _lean_"] == pytest.approx(result.detector_loss[-1][1])
    kept = {Path(one.path).name for one in client.list_artifacts(run.info.run_id)}
    assert kept == {"recipe.toml", "report.html"}


def test_without_the_option_nothing_is_kept(tmp_path: Path) -> None:
    with tracked(None, tmp_path) as tracker:
        assert tracker is None
        record("loss", 1.0, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "environment", "status", "message"),
    [
        ("wandb", {}, 2, "train: --track wandb: expected tensorboard or mlflow"),
        ("mlflow", {"MLFLOW_TRACKING_URI": "nonsense://x"}, 2, "train: --track mlflow: "),
    ],
)
def test_what_cannot_be_tracked_is_one_line(
    tmp_path: Path, name: str, environment: dict[str, str], status: int, message: str
) -> None:
    done = train(write_pictures(tmp_path / "data", 4), tmp_path / "run", name, **environment)
    assert done.returncode == status
    (line,) = [each for each in done.stderr.splitlines() if each.startswith("train:")]
    assert line.startswith(message)


def test_a_missing_library_is_named_with_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(out: Path) -> None:
        raise ImportError("No module named 'tensorboard'", name="tensorboard")

    monkeypatch.setattr(tracking, "TensorBoardTracker", missing)
    wanted = pytest.raises(UsageError, match=r"tensorboard is not installed; .*outfeed\[track\]")
    with wanted, tracked("tensorboard", tmp_path):
        pass
