"""Training of the cascade after Tao et al. 2018 (models/methods/cascade/network.py).

It is trained like the regression: the sections `labels`, `augment` and `detector` of the recipe
apply, except for `detector.network`.
"""

from __future__ import annotations

import torch

from models.data.dataset import DataError
from models.methods.base import Method, TrainedMethod, TrainingTask
from models.methods.cascade.network import CascadeDetector
from models.methods.regression.training import further
from models.training.recipe import Recipe


def _build(recipe: Recipe, channels: int) -> CascadeDetector:
    options = recipe.cascade
    return CascadeDetector(
        channels, width=options.width, depth=options.depth, refine=options.refine
    )


def _train(task: TrainingTask) -> TrainedMethod:
    """Train the cascade. Raises DataError for a resolution other than 2 px."""
    options = task.recipe.detector
    if options.resolution != 2:
        raise DataError(
            f"recipe key 'detector.resolution' is {options.resolution}; a cascade has cells of 2 px"
        )
    torch.manual_seed(task.recipe.seed)
    return further(task, _build(task.recipe, task.channels))


METHOD = Method(train=_train, build=_build, good_only=False, further=further)
