"""The candidates for a data set, and the pictures on which they are judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from models.candidates.pictures import comparison_pictures
from models.candidates.plan import good_only, plan_for
from models.data.layouts import open_dataset
from models.runs.run import RunRecord
from models.training.alignment import find_alignment
from models.training.patches import load_pictures
from models.training.recipe import AlignmentRecipe, Recipe, SplitRecipe
from tests.models.candidates.standins import method, register, write_sorted
from tests.support.bolts import scatter

SETTINGS = SplitRecipe(validation_share=0.25, groups=r"(\d+)\.png")


@pytest.fixture(autouse=True)
def _methods(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    register(monkeypatch, tmp_path / "recipes", {"memory-bank": method()})
    (tmp_path / "recipes/memory-bank.toml").write_text(
        'name = "memory-bank"\nmethod = "memory-bank"\n[chain]\nthreshold = 5.0\njoin_px = 7.0\n'
    )


@pytest.mark.parametrize(
    ("masks", "names"), [(0, ["memory-bank"]), (9, ["memory-bank", "regression"]), (12, None)]
)
def test_by_how_many_are_drawn(tmp_path: Path, masks: int, names: list[str] | None) -> None:
    dataset = open_dataset(write_sorted(tmp_path / "data", 20, 12, masks))
    found = plan_for(dataset, SETTINGS, 0.01)
    assert (list(found.recipes) if found else None) == names


def test_candidates_share_division_and_limit(tmp_path: Path) -> None:
    found = plan_for(open_dataset(write_sorted(tmp_path / "data", 8, 0)), SETTINGS, 0.01)
    assert found is not None
    recipe = found.recipes["memory-bank"]
    assert recipe is not None
    assert recipe.split == SETTINGS
    assert not recipe.classifier.enabled
    assert recipe.chain.max_false_rejects == 0.01
    assert (recipe.chain.threshold, recipe.chain.join_px) == (None, 7.0)


@pytest.mark.parametrize(
    ("bad", "masks", "decides"), [(40, 0, True), (40, 4, True), (20, 0, False), (28, 28, False)]
)
def test_enough_marked_parts_bring_the_decision_head(
    tmp_path: Path, bad: int, masks: int, decides: bool
) -> None:
    dataset = open_dataset(write_sorted(tmp_path / "data", 20, bad, masks))
    found = plan_for(dataset, SETTINGS, 0.01)
    if not decides:
        assert found is None or "regression" not in found.recipes
        assert found is None or not found.divides_marked
        return
    assert found is not None
    assert found.divides_marked
    recipe = found.recipes["regression"]
    assert recipe is not None
    assert recipe.name == "lean-decision"
    assert recipe.split == SETTINGS
    assert not recipe.classifier.enabled
    assert recipe.chain.max_false_rejects == 0.01
    assert "30 training and 10 validation pictures are marked defective" in found.reason
    assert "the decision head of lean-decision, which learns from marks" in found.reason


def test_without_good_parts_or_methods_there_is_no_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(write_sorted(tmp_path / "data", 8, 4))
    bad = tuple(sample for sample in dataset.samples if not sample.is_good)
    assert plan_for(replace(dataset, samples=bad), SETTINGS, 0.01) is None
    register(monkeypatch, tmp_path / "none", {})
    assert good_only() == ()
    assert plan_for(dataset, SETTINGS, 0.01) is None


def test_a_reference_method_is_no_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = method()
    methods = {"memory-bank": shown, "texture": replace(shown, by_name=True)}
    register(monkeypatch, tmp_path / "some", methods)
    assert good_only() == ("memory-bank",)
    methods["texture"] = shown
    register(monkeypatch, tmp_path / "others", methods)
    assert good_only() == ("memory-bank", "texture")


def record(dataset_folder: Path, train: list[str], validation: list[str]) -> RunRecord:
    return RunRecord(
        recipe=Recipe(name="x"),
        data=str(dataset_folder),
        layout="sorted",
        kinds=("pit",),
        channels=1,
        train=tuple(train),
        validation=tuple(validation),
        unmasked=(),
    )


def test_nobody_is_judged_on_what_somebody_trained_on(tmp_path: Path) -> None:
    folder = write_sorted(tmp_path / "data", 6, 3)
    (folder / "groups.csv").write_text("good/000.png,one\npit/006.png,one\n")
    dataset = open_dataset(folder)
    names = [sample.name for sample in dataset.samples]
    first = record(folder, ["good/000.png", "good/001.png"], names[2:])
    second = record(folder, ["good/002.png", "pit/007.png"], [*names[:2], *names[3:7], names[8]])
    found = comparison_pictures(dataset, [first, second])
    assert [p.sample.name for p in found.good] == [f"good/{i:03}.png" for i in (3, 4, 5)]
    # pit/006 shows the part that good/000 showed in training.
    assert [p.sample.name for p in found.bad] == ["pit/008.png"]
    assert [p.sample.name for p in found.synthetic] == [p.sample.name for p in found.good]
    for synthetic, good in zip(found.synthetic, found.good, strict=True):
        assert synthetic.sample.kinds == ("synthetic",)
        assert set(np.unique(synthetic.kind_map)) == {0, 1}
        assert (synthetic.pixels != good.pixels)[synthetic.kind_map > 0].all()
        assert not good.kind_map.any()
    again = comparison_pictures(dataset, [first, second])
    assert all(
        (a.pixels == b.pixels).all() for a, b in zip(found.synthetic, again.synthetic, strict=True)
    )


def test_where_parts_are_aligned_synthetic_defects_lie_on_them(tmp_path: Path) -> None:
    scatter(tmp_path / "data" / "good", 12)
    dataset = open_dataset(tmp_path / "data")
    names = [sample.name for sample in dataset.samples]
    pictures = load_pictures(dataset, dataset.samples)
    alignment = find_alignment(pictures, AlignmentRecipe(use="auto"))
    assert alignment is not None
    plain = record(tmp_path / "data", [], names)
    aligned = plain.model_copy(update={"alignment": alignment})

    def near_part(records: list[RunRecord]) -> float:
        """Return the share of defects whose middle is on the bolt or within 12 px of it."""
        synthetic = comparison_pictures(dataset, records).synthetic
        inside = []
        for good, picture in zip(pictures, synthetic, strict=True):
            part = cv2.dilate((good.pixels < 140).astype(np.uint8), np.ones((25, 25), np.uint8))
            row, col = np.median(np.argwhere(picture.kind_map), axis=0).astype(int)
            inside.append(bool(part[row, col]))
        return float(np.mean(inside))

    # One candidate that aligns is enough: all are judged on the same pictures.
    assert near_part([plain, aligned]) > 0.8 > near_part([plain])
