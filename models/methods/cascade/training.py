"""Two autoencoders in a row segment, then the block classifier names what they found.

The first source's method, after Tao et al. 2018 (models/methods/cascade/network.py). Trained like
the regression: `labels`, `augment` and `detector` of the recipe hold for it, but for the network.
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
    """Raises DataError for what the recipe's detector asks and a cascade has not."""
    options = task.recipe.detector
    if options.resolution != 2:
        raise DataError(
            f"recipe key 'detector.resolution' is {options.resolution}; a cascade's cells are of 2"
        )
    torch.manual_seed(task.recipe.seed)
    return further(task, _build(task.recipe, task.channels))


METHOD = Method(train=_train, build=_build, good_only=False, further=further)
