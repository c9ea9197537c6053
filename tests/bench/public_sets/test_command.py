"""The command of the benchmark: its options, its errors, its files, and the work it keeps."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("torch")

from bench.jobs import commands
from bench.public_sets import __main__ as command
from bench.public_sets.figures import FoldFigures, PictureScore
from bench.public_sets.plan import USUAL_RECIPES, FoldRun, plan
from bench.public_sets.protocols import PROTOCOLS
from models.data.dataset import DataError
from models.training.recipe import load_recipe
from tests.support import public_sets
from tests.support.preloaded import run_module
from tests.support.public_sets import COPIES

ROOT = Path(__file__).resolve().parents[3]
CORE = str(min(os.sched_getaffinity(0)))


def benchmark(*words: str) -> subprocess.CompletedProcess[str]:
    return run_module("bench.public_sets", *words)


def names(cells: list[FoldRun]) -> list[str]:
    return [cell.job.folder.name for cell in cells]


def test_every_fold_recipe_and_seed_is_planned(tmp_path: Path) -> None:
    root = public_sets.kolektorsdd(tmp_path / "copy")
    protocol, out = PROTOCOLS["kolektorsdd"], tmp_path / "out"
    cells = plan(protocol, root, ["lean", "memory-bank"], [0, 7], out)
    assert names(cells)[:4] == [
        "fold-0-lean-masks-seed-0",
        "fold-0-lean-masks-seed-7",
        "fold-0-memory-bank-good-seed-0",
        "fold-0-memory-bank-good-seed-7",
    ]
    assert len(cells) == 12
    recipe = load_recipe(str(cells[1].job.recipe))
    assert (recipe.seed, recipe.split.seed) == (7, 7)
    assert {cell.job.data.name for cell in cells[:4]} == {"fold-0-masks", "fold-0-good"}
    (one,) = plan(protocol, root, [], [0], tmp_path / "one", categories=["fold-1"])
    assert names([one]) == ["fold-1-lean-masks-seed-0"]
    (good,) = plan(
        protocol, root, [], [0], tmp_path / "good", categories=["fold-1"], supervision="good"
    )
    assert names([good]) == ["fold-1-reverse-distillation-good-seed-0"]
    assert not any(cell.job.inspect for cell in cells), "no picture of the run is inspected twice"


def test_each_number_of_marked_pictures_has_a_run_and_a_folder(tmp_path: Path) -> None:
    root = public_sets.kolektorsdd2(tmp_path / "copy")
    protocol, out = PROTOCOLS["kolektorsdd2"], tmp_path / "out"
    cells = plan(protocol, root, ["supersimplenet"], [3], out, marked=[0, 2], supervision="marks")
    assert names(cells) == [f"supersimplenet-marks-marked-{n}-seed-3" for n in (0, 2)]
    assert [cell.marked for cell in cells] == [0, 2]
    for cell in cells:
        bad = cell.job.data / "bad"
        assert (len(list(bad.iterdir())) if bad.exists() else 0) == cell.marked
    with pytest.raises(DataError, match="marked 1000: the training side has"):
        plan(protocol, root, ["supersimplenet"], [3], out, marked=[1000])


def test_what_cannot_be_planned_is_refused(tmp_path: Path) -> None:
    root = public_sets.mvtec_ad(tmp_path / "copy")
    protocol, out = PROTOCOLS["mvtec-ad"], tmp_path / "out"
    with pytest.raises(DataError, match="offers good; masks was asked"):
        plan(protocol, root, ["lean"], [0], out, supervision="masks")
    with pytest.raises(DataError, match=r"category bolt: is not in .*; it has metal-nut, screw"):
        plan(protocol, root, [], [0], out, categories=["bolt"])
    with pytest.raises(DataError, match="two recipes or two seeds have one name"):
        plan(protocol, root, ["threshold"], [0, 0], out)


def test_auto_trains_as_make_train_does(tmp_path: Path) -> None:
    root = public_sets.kolektorsdd2(tmp_path / "copy")
    protocol, out = PROTOCOLS["kolektorsdd2"], tmp_path / "out"
    (cell,) = plan(protocol, root, ["auto"], [0], out)
    assert names([cell]) == ["auto-masks-seed-0"]
    (step, words), *_ = commands(cell.job)
    assert step == "train"
    assert words[words.index("--recipe") + 1] == "auto"
    with pytest.raises(DataError, match="recipe auto: has no seed; expected --seed 0 alone"):
        plan(protocol, root, ["auto"], [1], out)


def test_the_usual_recipes_exist() -> None:
    for name in USUAL_RECIPES.values():
        load_recipe(name)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--set", "mnist"), "benchmark: set 'mnist': is unknown; expected one of mvtec-ad, "),
        (("--set", "btad"), "is not a folder; expected PRODUCT/train/ok"),
        (("--set", "btad", "--supervision", "all"), "supervision 'all': expected good, masks or"),
        (("--set", "btad", "--core", "9999"), "core 9999: expected one of "),
    ],
)
def test_bad_input_gets_one_line(words: tuple[str, ...], line: str, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(command.main)
    missing = ("--data", str(tmp_path / "missing"), "--out", str(tmp_path / "out"))
    done = CliRunner().invoke(app, [*words, *missing], env={"COLUMNS": "200"})
    assert done.exit_code == 1
    assert line in done.output
    assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), "make benchmark: SET=mvtec-ad, or another set of"),
        (("SET=elpv",), "make benchmark: DATA=folder of your copy is missing"),
    ],
)
def test_make_benchmark_names_a_missing_variable(words: tuple[str, ...], line: str) -> None:
    done = subprocess.run(
        ["make", "--silent", "benchmark", "DEV=/nowhere", "--assume-old=/nowhere/.ready", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert line in done.stderr


@pytest.mark.timeout(600)
def test_a_set_is_trained_measured_and_not_repeated(tmp_path: Path) -> None:
    root, out = public_sets.mvtec_ad(tmp_path / "copy", good=12), tmp_path / "out"
    words = ("--set", "mvtec-ad", "--data", str(root), "--out", str(out), "--core", CORE)
    words = (*words, "--recipe", "threshold", "--category", "screw", "--seed", "3")
    done = benchmark(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = out / "mvtec-ad"
    (line,) = (folder / "figures.jsonl").read_text().splitlines()
    figures = FoldFigures.model_validate_json(line)
    assert (figures.category, figures.seed, figures.good, figures.defective) == ("screw", 3, 3, 3)
    assert figures.regions == 2, "one defective picture has no mask"
    assert figures.picture_auroc is not None
    assert (
        "| screw | PatchCore, ResNet18 | good | AUROC | 0.943 |"
        in (folder / "tables.md").read_text()
    )
    assert "| zipper |" not in (folder / "tables.md").read_text()
    assert figures.aupro is not None
    assert figures.ms > 0
    assert "| screw | threshold | good | 1 |" in (folder / "tables.md").read_text()
    assert (folder / "escapes.svg").read_text().startswith("<svg")
    run = folder / "screw-threshold-good-seed-3"
    scored = [json.loads(each) for each in (run / "scores.jsonl").read_text().splitlines()]
    assert [each["file"] for each in scored if each["defective"]] == [
        f"test/bent/{n:03d}.png" for n in range(3)
    ]
    record = json.loads((run / "run.json").read_text())
    assert record["data"] == str((folder / "data/screw-good").resolve())
    assert all(name.startswith("good/train--good--") for name in record["train"])
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    again = benchmark(*words)
    assert again.returncode == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    (same,) = (folder / "figures.jsonl").read_text().splitlines()
    assert same == line
    recipe = folder / "recipes/screw-threshold-good-seed-3.toml"
    recipe.write_text(recipe.read_text() + "# older\n")
    refused = benchmark(*words)
    assert refused.returncode == 1
    assert "was begun with another version of the recipe" in refused.stderr


def test_tables_include_the_runs_of_earlier_commands(tmp_path: Path) -> None:
    measured = {"good": 2, "defective": 1, "regions": 0, "escapes": (0, 0, 0), "ms": 1.0}
    counted = {"escapes_at_t": 0, "false_rejects_at_t": 1, "train_s": None, "accuracy": 0.5}
    unknown = dict.fromkeys(("picture_auroc", "picture_ap", "pixel_auroc", "aupro", "pixel_ap"))
    unknown |= dict.fromkeys(("pixel_best_f1", "pixel_f1", "pixel_f1_tol", "mean_iou"))
    for seed, recipe in ((1, "lean"), (0, "lean"), (0, "nano")):
        figures = FoldFigures.model_validate(
            {"set": "kolektorsdd2", "category": "", "recipe": recipe, "supervision": "masks"}
            | {"seed": seed, "remark": "", "bundle_bytes": 1000, "bundle_sha256": "0"}
            | measured
            | counted
            | unknown
        )
        run = tmp_path / f"{recipe}-masks-seed-{seed}"
        run.mkdir()
        (run / "figures.json").write_text(figures.model_dump_json())
        score = PictureScore(file="a.png", defective=seed > 0, rejected=False, score=1.0)
        (run / "scores.jsonl").write_text(f"{score.model_dump_json()}\n")
    command.write_results(tmp_path, PROTOCOLS["kolektorsdd2"], [("x", "its reason")])
    lines = (tmp_path / "figures.jsonl").read_text().splitlines()
    assert [json.loads(line)["seed"] for line in lines] == [0, 1, 0]
    text = (tmp_path / "tables.md").read_text()
    assert "| – | lean | masks | 2 |" in text
    assert "| – | nano | masks | 1 |" in text
    assert "- x: its reason" in text


@pytest.mark.timeout(600)
def test_a_run_that_fails_is_named_with_its_reason(tmp_path: Path) -> None:
    root, out = public_sets.elpv(tmp_path / "copy"), tmp_path / "out"
    words = ("--set", "elpv", "--data", str(root), "--out", str(out), "--core", CORE)
    done = benchmark(*words, "--recipe", "lean")
    assert done.returncode == 1
    table = (out / "elpv/tables.md").read_text()
    assert "- lean-marks-seed-0: " in table
    assert "carries an annotated defect" in table


def test_the_makefile_names_every_set() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = [each for each in text.splitlines() if each.startswith("SETS := ")]
    assert line.split()[2:] == list(PROTOCOLS)


@pytest.mark.parametrize(
    ("limit", "expected"), [("", "balanced"), ("\n[chain]\nmax_false_rejects = 0.02\n", "limit")]
)
def test_a_set_whose_published_figures_are_accuracies_is_balanced(
    tmp_path: Path, limit: str, expected: str
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(f"name = 'mine'\nmethod = 'threshold'{limit}")
    for name, wanted in (("elpv", expected), ("magnetic-tile", "limit")):
        root = COPIES[name](tmp_path / name)
        (cell,) = plan(PROTOCOLS[name], root, [str(recipe)], [0], tmp_path / f"out-{name}")
        assert load_recipe(str(cell.job.recipe)).chain.operating_point == wanted
