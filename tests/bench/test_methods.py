"""The comparison of methods: its figures, its changes of pictures, and its tables."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from bench.methods.__main__ import plan, with_higher_limit
from bench.methods.changes import CHANGES, GREY, SHIFT_PX, occlude
from bench.methods.figures import MethodFigures, figures
from bench.methods.table import tables
from models.data.dataset import DataError
from models.evaluation.metrics import PictureOutcome
from models.evaluation.promise import escapes_at
from models.runs.preparation import prepare
from models.training.recipe import load_recipe
from tests.support.preloaded import run_module
from tests.support.tinyrun import write_pictures

ROOT = Path(__file__).resolve().parents[2]


def part(score: float, *, bad: bool = False) -> PictureOutcome:
    return PictureOutcome("x", (), score > 4, score, 0, 0, 9 if bad else 0, 0, 0, (), (), ())


def test_escapes_are_counted_where_a_share_of_good_parts_may_be_rejected() -> None:
    good = [part(float(n)) for n in range(10)]  # 0 to 9
    bad = [part(s, bad=True) for s in (0.5, 8.0, 8.5, 9.0, 9.5, 12.0)]
    # None rejected: the limit is just above 9. A tenth: just above 8. Two tenths: just above 7.
    assert escapes_at([*good, *bad], 0.005) == 4
    assert escapes_at([*good, *bad], 0.1) == 2
    assert escapes_at([*good, *bad], 0.2) == 1
    assert escapes_at(good) == 0
    assert escapes_at(bad) == 6, "without a good part every defective part counts as an escape"


def test_unmeasurable_figures_are_none() -> None:
    measured = figures("tiles", "memory-bank", [part(1), part(9, bad=True)], float("nan"), 12.5)
    assert (measured.good, measured.defective, measured.image_auroc, measured.escapes) == (
        1,
        1,
        1.0,
        0,
    )
    assert (measured.train_s, measured.bundle_kb, measured.ms) == (None, 12.5, None)
    assert figures("tiles", "memory-bank", [part(1)], 3.0, 1.0).image_ap is None


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3)])
def test_changes_keep_shape_and_type_and_are_deterministic(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(1).integers(40, 200, shape, np.uint8)
    for change in (*CHANGES.values(), occlude):
        changed = change(pixels)
        assert (changed.shape, changed.dtype) == (pixels.shape, np.uint8)
        assert changed.flags.c_contiguous
        assert (changed != pixels).any()
        assert (changed == change(pixels)).all()


def test_each_change_has_its_stated_size() -> None:
    pixels = np.random.default_rng(1).integers(40, 120, (40, 60), np.uint8)
    assert CHANGES["darker"](pixels).mean() == pytest.approx(0.7 * pixels.mean(), rel=0.01)
    assert CHANGES["brighter"](pixels).mean() == pytest.approx(1.3 * pixels.mean(), rel=0.01)
    shifted = CHANGES["shift"](pixels)
    assert (shifted[SHIFT_PX:, SHIFT_PX:] == pixels[:-SHIFT_PX, :-SHIFT_PX]).all()
    assert CHANGES["blur"](pixels).std() < 0.7 * pixels.std()
    assert 3 < (CHANGES["noise"](pixels).astype(float) - pixels).std() < 7
    covered = occlude(pixels)
    assert (covered == GREY).mean() == pytest.approx(0.15 * 0.15, rel=0.1)
    assert (covered[:15] == pixels[:15]).all()


def test_tables_have_a_row_for_each_method_and_name_missing_ones() -> None:
    one = MethodFigures(
        data="tiles",
        method="memory-bank",
        good=10,
        defective=4,
        image_ap=0.9,
        image_auroc=None,
        pixel_f1=0.5,
        mean_iou=0.25,
        escapes=1,
        train_s=61.4,
        bundle_kb=1200.2,
        ms=1.234,
        kept={"darker": 0.5, "occlusion": 1.0},
    )
    other = one.model_copy(
        update={"seed": 2, "image_ap": 0.8, "image_auroc": None, "mean_iou": None}
    )
    both = tables([one.model_copy(update={"seed": 1, "mean_iou": None}), other], [])
    assert "| tiles | memory-bank | 2 | 0.850 ± 0.071 | – | 0.500 ± 0.000 | – | 2 of 8 |" in both
    assert "| tiles #2 | memory-bank | 0.800 |" in both
    assert "Over the seeds" not in tables([one], [])
    loose = one.model_copy(update={"run_limit": 0.2})
    assert "| tiles | memory-bank (T at 20% of good parts) | 0.900 |" in tables([loose], [])
    first = one.model_copy(update={"run_limit": 0.05})
    assert tables([first], []) == tables([one], [])
    text = tables([one], [("tiles", "template", "pictures of 3 sizes")])
    assert "| tiles | memory-bank | 0.900 | – | 0.500 | 0.250 | 1 of 4 | 61 | 1200 | 1.23 |" in text
    assert "| tiles | memory-bank | 50% | – | – | – | – | 100% |" in text
    assert "- tiles, template: pictures of 3 sizes" in text


def test_a_method_of_good_parts_is_trained_without_defects(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data")
    cells = plan([data], ["threshold", "lean"], 0.3, tmp_path / "out")
    alone, masks = (cell.job for cell in cells)
    recipe = load_recipe(str(alone.recipe))
    assert recipe.chain.max_false_rejects == 0.05
    assert alone.export == ("--max-false-rejects", "5%")
    assert masks.export == ()
    assert not recipe.classifier.enabled
    prepared = prepare(data, recipe)
    assert all(picture.sample.is_good for picture in prepared.pictures)
    assert sum(not picture.sample.is_good for picture in prepared.held_back) == 24
    shared = recipe.model_copy(
        update={"split": recipe.split.model_copy(update={"good_only": False})}
    )
    assert not all(picture.sample.is_good for picture in prepare(data, shared).pictures)
    assert load_recipe(str(masks.recipe)).classifier.enabled
    assert with_higher_limit(cells, 0.2) == []  # nothing is trained yet
    for job in (alone, masks):
        job.folder.mkdir(parents=True)
        (job.folder / "result.json").touch()
    (again,) = with_higher_limit(cells, 0.2)
    assert (again.method, again.job.export) == ("threshold", ("--max-false-rejects", "20%"))
    again.job.bundle.touch()
    assert with_higher_limit(cells, 0.5) == []
    seeded = plan([data], ["lean"], 0.3, tmp_path / "seeds", [3, 4])
    assert [(cell.data, cell.seed, cell.job.folder.name) for cell in seeded] == [
        ("data", 3, "data-seed-3-lean"),
        ("data", 4, "data-seed-4-lean"),
    ]
    recipe = load_recipe(str(seeded[1].job.recipe))
    assert (recipe.seed, recipe.split.seed, recipe.split.validation_share) == (4, 4, 0.3)
    with pytest.raises(DataError, match="two data sets, two methods or two seeds have one name"):
        plan([data, data], ["lean"], 0.3, tmp_path / "out")


@pytest.mark.timeout(300)
def test_a_comparison_runs_to_its_end(tmp_path: Path) -> None:
    """Compare a method that works on even grey with one that finds no position to match."""
    data = write_pictures(tmp_path / "data")
    words = ["--data", str(data), "--method", "threshold", "--method", "template"]
    core = str(min(os.sched_getaffinity(0)))
    done = run_module("bench.methods", *words, "--core", core, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (tmp_path / "out" / "figures.jsonl").read_text(encoding="utf-8").splitlines()
    measured = json.loads(line)
    assert (measured["method"], measured["defective"]) == ("threshold", 24)
    assert measured["image_auroc"] > 0.95
    assert measured["ms"] > 0
    assert measured["train_s"] > 0
    assert measured["run_limit"] == 0.05
    assert set(measured["kept"]) == {*CHANGES, "occlusion"}
    text = (tmp_path / "out" / "tables.md").read_text(encoding="utf-8")
    assert "- data, template: train: method template: no good part" in text
