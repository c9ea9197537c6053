"""He & Liu 2020, and the networks that take its place on a station
(models/training/detector.py)."""

from __future__ import annotations

from models.methods.base import Method, Task, Trained
from models.networks import DetectorNetwork, build_detector
from models.training.detector import train_detector
from models.training.recipe import Recipe


def _train(task: Task) -> Trained:
    return _trained(task, None)


def further(task: Task, network: DetectorNetwork) -> Trained:
    """Go on with a network that drawn defects have taught."""
    return _trained(task, network)


def _trained(task: Task, network: DetectorNetwork | None) -> Trained:
    trained, loss = train_detector(
        task.pictures,
        task.kinds,
        task.channels,
        task.recipe,
        task.checkpoint,
        task.held_back,
        network=network,
    )
    return Trained(trained, loss)


def _build(recipe: Recipe, channels: int) -> DetectorNetwork:
    return build_detector(recipe.detector.network, channels, recipe.detector.resolution)


METHOD = Method(train=_train, build=_build, good_only=False, further=further)
