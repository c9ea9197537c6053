"""Training of the regression networks: He & Liu 2020, and smaller ones for a station.

The training itself is in models/training/detector.py, which other methods share.
"""

from __future__ import annotations

from dataclasses import replace

from models.methods.base import Method, TrainedMethod, TrainingTask
from models.methods.regression.marked_parts import learns_marks_alone, train_on_marks
from models.networks import DetectorNetwork, build_detector
from models.training.detector import train_detector
from models.training.recipe import Recipe


def _train(task: TrainingTask) -> TrainedMethod:
    return train_on_marks(task) if learns_marks_alone(task) else _trained(task, None)


def further(task: TrainingTask, network: DetectorNetwork) -> TrainedMethod:
    """Train a network further that has learned from annotated defects. The network is changed.

    Without a mask, where the recipe fixes the features, the decision is fitted anew, because it
    takes a minute and no earlier weight.
    """
    if learns_marks_alone(task):
        return train_on_marks(task)
    options = task.recipe.detector.model_copy(update={"start": None})
    recipe = task.recipe.model_copy(update={"detector": options})
    return _trained(replace(task, recipe=recipe), network)


def _trained(task: TrainingTask, network: DetectorNetwork | None) -> TrainedMethod:
    trained, loss = train_detector(
        task.pictures,
        task.kinds,
        task.channels,
        task.recipe,
        task.checkpoint,
        task.held_back,
        network=network,
        guide=task.guide,
        device=task.device,
    )
    return TrainedMethod(trained, loss)


def _build(recipe: Recipe, channels: int) -> DetectorNetwork:
    options = recipe.detector
    return build_detector(options.network, channels, options.resolution, decision=options.decision)


METHOD = Method(train=_train, build=_build, good_only=False, further=further, distils=True)
