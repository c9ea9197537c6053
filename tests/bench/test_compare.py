"""The comparison of networks: steps, recipes, remaining work, and one complete comparison."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime.quantization")

from rich.console import Console

import bench.compare as compare
from bench.compare import DataSource, parse_source, plan
from bench.jobs import Job, commands, seconds, work
from models.data.dataset import DataError
from models.training.recipe import Recipe, as_toml, load_recipe
from tests.support.preloaded import run_module
from tests.support.tinyrun import RECIPE, write_pictures

ROOT = Path(__file__).resolve().parents[2]


def test_a_source_has_a_folder_a_share_and_minutes() -> None:
    assert parse_source("a/b", 0.25, 7.0) == DataSource(Path("a/b"), 0.25, 7.0)
    assert parse_source("a,minutes=4,share=0.2", 0.25, 7.0) == DataSource(Path("a"), 0.2, 4.0)


@pytest.mark.parametrize("wrong", ["share=1", "share=x", "minutes=0", "hours=1", "share", ""])
def test_a_wrong_setting_is_one_line(wrong: str) -> None:
    with pytest.raises(DataError, match=r"expected share=0\.2 or minutes=4"):
        parse_source(f"a,{wrong}", 0.25, 7.0)


def test_every_network_has_its_steps_and_all_seeds_have_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def fitted(recipe: Recipe, source: DataSource) -> int:
        asked.append((recipe.detector.network, source.folder.name))
        return 11 + len(asked)

    monkeypatch.setattr(compare, "fit_steps", fitted)
    sources = [DataSource(tmp_path / "tiles_a", 0.3, 1.0), DataSource(tmp_path / "b", 0.2, 2.0)]
    jobs = plan(sources, ["lean", "paper"], 2, tmp_path / "out")
    assert [job.folder.name for job in jobs] == [
        *("tiles-a-lean-0", "tiles-a-paper-0", "b-lean-0", "b-paper-0"),
        *("tiles-a-lean-1", "tiles-a-paper-1", "b-lean-1", "b-paper-1"),
    ]
    assert asked == [(n, d) for d in ("tiles_a", "b") for n in ("lean", "paper")]
    recipes = [load_recipe(str(job.recipe)) for job in jobs]
    assert [recipe.detector.steps for recipe in recipes] == [12, 13, 14, 15] * 2
    assert [recipe.seed for recipe in recipes] == [0] * 4 + [1] * 4
    assert [recipe.split.validation_share for recipe in recipes[:4]] == [0.3, 0.3, 0.2, 0.2]
    assert len({recipe.split.seed for recipe in recipes}) == 1
    again = plan(sources, ["lean", "paper"], 2, tmp_path / "out")
    assert again == jobs
    assert len(asked) == 4, "existing recipes are not used again"


def test_more_minutes_are_more_steps_up_to_those_of_the_recipe(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data", 12)
    long = RECIPE.detector.model_copy(update={"steps": 10**6})
    recipe = RECIPE.model_copy(update={"detector": long})
    few = compare.fit_steps(recipe, DataSource(data, 0.3, 0.01))
    many = compare.fit_steps(recipe, DataSource(data, 0.3, 10.0))
    assert 1 <= few < many
    assert compare.fit_steps(RECIPE, DataSource(data, 0.3, 10**6)) == RECIPE.detector.steps


@pytest.mark.timeout(600)
def test_a_comparison_runs_to_its_end_and_is_not_repeated(tmp_path: Path) -> None:
    """A tiny recipe is trained, exported, inspected and tabulated. Then no work remains."""
    data = write_pictures(tmp_path / "data")
    recipe = tmp_path / "tiny.toml"
    quick = {
        "detector": RECIPE.detector.model_copy(update={"network": "nano", "steps": 20}),
        "classifier": RECIPE.classifier.model_copy(update={"enabled": False}),
    }
    recipe.write_text(as_toml(RECIPE.model_copy(update=quick)), encoding="utf-8")
    out = tmp_path / "out"
    words = ["--data", str(data), "--recipe", str(recipe), "--seeds", "1", "--minutes", "60"]
    words += ["--share", "0.3", "--out", str(out), "--core", str(min(os.sched_getaffinity(0)))]
    done = run_module("bench.compare", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    tables = (out / "tables" / "tables.md").read_text(encoding="utf-8")
    assert "tiny (float, no classifier)" in tables
    assert "tiny (station)" in tables
    folder, written = out / "data-tiny-0", out / "recipes" / "data-tiny-0.toml"
    lines = (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len((folder / "validation.txt").read_text().splitlines()) > 5
    assert load_recipe(str(written)).split.validation_share == 0.3
    assert list(commands(Job(folder, written, data))) == []
    (folder / "result.json").unlink()
    ((step, left),) = commands(Job(folder, written, data))
    assert step == "train"
    assert "models.training.__main__" in left
    assert (
        seconds(Job(folder, written, data), "train")
        > seconds(Job(folder, written, data), "inspect")
        > 0
    )


def test_a_failed_run_is_named_and_the_others_continue(tmp_path: Path) -> None:
    """Two jobs without a recipe are both tried, and each writes a log."""
    output = io.StringIO()
    jobs = [Job(tmp_path / name, tmp_path / "none.toml", tmp_path) for name in ("a", "b")]
    assert work(jobs, [min(os.sched_getaffinity(0))], Console(file=output)) == 2
    lines = output.getvalue().splitlines()
    assert [line.partition(": failed with 2, see ")[0] for line in lines] == ["a", "b"]
    assert "none.toml" in (tmp_path / "b" / "job.log").read_text(encoding="utf-8")


def test_missing_data_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    words = ["--data", str(folder), "--recipe", "lean", "--out", str(tmp_path / "out")]
    done = run_module("bench.compare", *words)
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line == f"compare: {folder}: is not a folder; expected the folder of a data set"
