"""Training of a decision head where no picture has a mask: logistic regression on fixed features.

A few hundred marked parts do not suffice to train the features. On parts of other production runs
the features of ImageNet then rank better than trained ones (docs/decisions/0045).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.methods.base import TrainedMethod, TrainingTask
from models.methods.cell_features import input_of
from models.methods.frozen_backbone import freeze_backbone
from models.networks import ReducedDetector, build_detector
from models.training.progress import track
from models.training.recipe import Recipe

log = logging.getLogger(__name__)

# Of the squared weights of standardised features, beside the mean cross entropy.
PENALTIES = (0.003, 0.01, 0.03, 0.1)
FLAT = 1e-3  # added to the deviation of a feature, so that a constant one has no weight
STEPS = 200  # most steps of L-BFGS
LIGHT = (0.7, 1.4)  # factors of the darker and the lighter copy
FOLDS = 5  # of the cross-validation that chooses the pools and the penalty


def learns_marks_alone(task: TrainingTask) -> bool:
    """Return true where the recipe fixes the features and no training picture has a mask."""
    options = task.recipe.detector
    has_masks = any(picture.kind_map.any() for picture in task.pictures)
    return options.decision and options.decision_features == "fixed" and not has_masks


def train_on_marks(task: TrainingTask) -> TrainedMethod:
    """Train the decision head alone, and return the network in eval mode. Blocks for a minute.

    The map is silent. Good and defective parts have the same weight in total. Raises DataError
    without the weights of ImageNet.
    """
    torch.manual_seed(task.recipe.seed)
    options = task.recipe.detector
    network = build_detector(options.network, task.channels, options.resolution, decision=True)
    assert isinstance(network, ReducedDetector)
    task.device.place(network.eval())
    freeze_backbone(network, task.good)
    rows = _rows(network, task)
    network.cpu()
    choice = choose(rows)
    weights, bias, loss = _fitted(rows, np.ones(len(rows.groups), np.bool_), choice)
    log.info(
        "decision on fixed features: %s, penalty %s, loss %.3f of parts left out, %.3f of all",
        "averages alone" if choice.averages_alone else "averages and maxima",
        choice.penalty,
        choice.loss,
        loss,
    )
    average, largest = weights.chunk(2)
    assert network.decision is not None
    network.decision.set_linear(average, largest, bias)
    network.silence_map()
    return TrainedMethod(network, [(1, loss)])


@dataclass(frozen=True, slots=True)
class MarkedRows:
    """Pooled features of marked parts, with all views of a part one after another.

    features: float32 views × N × 2C, the averages of all channels and then their maxima. The first
    view is the picture itself. is_defective: float32 N, 0 or 1. groups: the physical part of each.
    """

    features: Tensor
    is_defective: Tensor
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings of a logistic regression, and its loss on parts that were left out."""

    averages_alone: bool
    penalty: float
    loss: float = math.nan


def choose(rows: MarkedRows) -> Choice:
    """Return the pools and the penalty with the least cross entropy on parts left out of the fit.

    Physical parts are dealt to FOLDS folds, the parts of each side in turn.
    """
    folds = _folds(rows)
    found = []
    for averages_alone, penalty in product((True, False), PENALTIES):
        choice = Choice(averages_alone, penalty)
        logits = torch.zeros(len(rows.groups))
        for fold in range(FOLDS):
            out = folds == fold
            sides = {float(mark) for mark in rows.is_defective[torch.from_numpy(~out)]}
            if len(sides) == 2 and out.any():
                weights, bias, _ = _fitted(rows, ~out, choice)
                logits[torch.from_numpy(out)] = rows.features[0][torch.from_numpy(out)] @ weights
                logits[torch.from_numpy(out)] += bias
        loss = functional.binary_cross_entropy_with_logits(
            logits, rows.is_defective, weight=balance(rows.is_defective)
        )
        found.append(replace(choice, loss=float(loss)))
    return min(found, key=lambda some: some.loss)


def _folds(rows: MarkedRows) -> npt.NDArray[np.int64]:
    """Return the fold of each part. All pictures of a physical part have one fold."""
    number: dict[str, int] = {}
    for side in (0.0, 1.0):
        for group, mark in zip(rows.groups, rows.is_defective.tolist(), strict=True):
            if mark == side:
                number.setdefault(group, len(number) % FOLDS)
    return np.array([number[group] for group in rows.groups], np.int64)


def _fitted(
    rows: MarkedRows, used: npt.NDArray[np.bool_], choice: Choice
) -> tuple[Tensor, float, float]:
    """Return weights of the 2C features as they are, the bias, and the loss."""
    count = rows.features.shape[2] // 2 if choice.averages_alone else rows.features.shape[2]
    kept = torch.from_numpy(used)
    features = rows.features[:, kept, :count].flatten(0, 1)
    marks = rows.is_defective[kept].repeat(len(rows.features))
    mean, deviation = features.mean(0), features.std(0) + FLAT * features.std()
    found, bias, loss = logistic_regression((features - mean) / deviation, marks, choice.penalty)
    weights = torch.zeros(rows.features.shape[2])
    weights[:count] = found / deviation
    return weights, bias - float(weights[:count] @ mean), loss


def balance(is_defective: Tensor) -> Tensor:
    """Return the weight of each part, of mean 1, with which both sides count half."""
    share = is_defective.mean()
    return torch.where(is_defective > 0, 0.5 / share, 0.5 / (1 - share))


def logistic_regression(
    rows: Tensor, is_defective: Tensor, penalty: float
) -> tuple[Tensor, float, float]:
    """Return the weights, the bias and the loss of a logistic regression with L2 penalty.

    rows: float32 N×F, standardised. is_defective: float32 N, 0 or 1; some of each. Both sides count
    half. The bias has no penalty.
    """
    rows, wanted = rows.double(), is_defective.double()
    each = balance(wanted)
    values = torch.zeros(rows.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([values], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = rows @ values[:-1] + values[-1]
        error = functional.binary_cross_entropy_with_logits(logits, wanted, weight=each)
        total: Tensor = error + penalty * values[:-1].square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    final = float(loss().detach())
    found = values.detach().float()
    return found[:-1], float(found[-1]), final


def _rows(network: ReducedDetector, task: TrainingTask) -> MarkedRows:
    features = [
        torch.stack([_pooled(network, view) for view in _views(picture.pixels, task.recipe)])
        for picture in track(task.pictures, "computing the features of marked parts")
    ]
    return MarkedRows(
        torch.stack(features, 1),
        torch.tensor([0.0 if picture.sample.is_good else 1.0 for picture in task.pictures]),
        tuple(picture.sample.group for picture in task.pictures),
    )


def _views(pixels: npt.NDArray[np.uint8], recipe: Recipe) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the picture, and copies of it.

    Where the recipe mirrors pictures there are its three mirror images. Where it changes their
    brightness there are a darker and a lighter copy.
    """
    yield pixels
    if recipe.augment.brightness:
        for factor in LIGHT:
            lit = cv2.convertScaleAbs(pixels, alpha=factor)  # rounds, and stops at 255
            yield np.asarray(lit, np.uint8)
    if recipe.augment.flip:
        yield np.ascontiguousarray(pixels[:, ::-1])
        yield np.ascontiguousarray(pixels[::-1])
        yield np.ascontiguousarray(pixels[::-1, ::-1])


@torch.no_grad()
def _pooled(network: ReducedDetector, pixels: npt.NDArray[np.uint8]) -> Tensor:
    stages = network.seen(network.backbone(input_of(network, pixels)))
    averages = [stage.mean((2, 3)) for stage in stages]
    return torch.cat((*averages, *(stage.amax((2, 3)) for stage in stages)), 1)[0].cpu()
