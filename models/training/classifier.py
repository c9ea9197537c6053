"""Training of the block classifier on annotated defects and false positives of the detector."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import nn

from models.networks import BlockClassifier
from models.training.blocks import BlockSource, LabelledRegion
from models.training.device import CPU, TrainingDevice
from models.training.fit import Fit, Schedule, start_from_imagenet
from models.training.patches import Picture
from models.training.recipe import Recipe

log = logging.getLogger(__name__)


def train_classifier(
    pictures: tuple[Picture, ...],
    regions: tuple[LabelledRegion, ...],
    kinds: int,
    channels: int,
    recipe: Recipe,
    checkpoint: Path,
    begun: BlockClassifier | None = None,
    device: TrainingDevice = CPU,
) -> tuple[BlockClassifier, list[tuple[int, float]]]:
    """Train, and return the classifier in eval mode and its loss by step. Block for minutes.

    A training that was killed continues from its checkpoint. The loss is the cross entropy over
    kinds and background (He & Liu 2020, section III.A.4). begun: a classifier to train further, in
    place of the recipe's start; it is changed. device: it learns there in float32, because it
    is small.
    """
    torch.manual_seed(recipe.seed + 1)
    options = recipe.classifier
    counts = torch.bincount(torch.tensor([region.label for region in regions]), minlength=kinds + 1)
    log.info("classifier regions=%s background=%s", counts[1:].tolist(), int(counts[0]))
    schedule = Schedule(
        options.steps,
        options.learning_rate,
        options.weight_decay,
        options.ema,
        device.with_precision("float32"),
        options.rounded_share,
    )
    network = BlockClassifier(channels, kinds) if begun is None else begun
    if begun is None and options.start is not None:
        start_from_imagenet(network, "classifier.start")
    fit = Fit(
        network,
        nn.CrossEntropyLoss(label_smoothing=0.05),
        schedule,
        checkpoint,
        "classifier",
    )
    trained = fit.run(BlockSource(pictures, regions, recipe).batches)
    assert isinstance(trained, BlockClassifier)
    return trained, fit.history
