"""Training of the memory bank: statistics of good parts, directions of defects, and a critic.

The features come from a pretrained network, which is not trained further. Good parts give their
mean and covariance. Synthetic defects on good parts (models/augmentation/synthetic_defects.py) give
the directions along which defects deviate most in relation to good parts (Fisher's criterion), and
train a small critic. No real defect is needed. docs/decisions/0028 has the trials.
"""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import eigh
from torch import Tensor, nn

from models.data.dataset import DataError
from models.methods.base import Method, TrainedMethod, TrainingTask, severity_unit
from models.methods.cell_features import Surface, collect_cells, planes, require_defects
from models.methods.frozen_backbone import freeze_backbone, require_good
from models.methods.memory_bank.critic import train_critic
from models.methods.memory_bank.network import MemoryBankDetector
from models.training.patches import Picture
from models.training.recipe import Recipe

log = logging.getLogger(__name__)

# Share added to the variance of a standardised feature. Along directions that good parts hardly
# use, most of a deviation is the error of int8. With 0.01 it was larger by a sixth
# (docs/decisions/0028).
RIDGE = 0.1
FLAT = 1e-3  # added to the deviation of a feature, so that a constant one has no weight
PEAKS = 0.95  # quantile of the peaks of good parts at which distance and critic are made equal
MOST_WEIGHED = 200  # most good pictures for it
LEAST_REACH = 1e-6


def train(task: TrainingTask) -> TrainedMethod:
    """Train the memory bank. Block for a minute or two.

    Raises DataError without the weights of ImageNet or without a good part.
    """
    options, seed = task.recipe.memory_bank, task.recipe.seed
    require_good(task.good)
    network = task.device.place(build(task.recipe, task.channels).eval())
    freeze_backbone(network, task.good)
    surface = collect_cells(
        network,
        task.good,
        synthetic_pictures=options.synthetic_pictures,
        most_cells=options.cells,
        seed=seed,
    )
    network.cpu()
    good, bad = surface.good, surface.bad
    log.info(
        "memory-bank good pictures=%s cells good=%s defective=%s",
        len(task.good),
        len(good),
        len(bad),
    )
    require_defects(surface)
    mean, deviation = good.mean(0), good.std(0) + FLAT
    sound = Surface((surface.features - mean) / deviation, surface.defective)
    directions = find_directions(sound, options.directions)
    first, last, loss = train_critic(
        sound.features, sound.defective, options.units, options.steps, seed
    )
    distance = _on_features(directions, torch.zeros(len(directions)), mean, deviation)
    network.remember(distance, _on_features(first.weight, first.bias, mean, deviation))
    _settle(network, last, options.critic, task)
    return TrainedMethod(network, loss)


def build(recipe: Recipe, channels: int) -> MemoryBankDetector:
    options = recipe.memory_bank
    return MemoryBankDetector(
        channels,
        backbone=options.backbone,
        reduction=options.reduction,
        directions=options.directions,
        units=options.units,
    )


def find_directions(surface: Surface, count: int) -> Tensor:
    """Return the directions along which defective cells deviate most in relation to good ones.

    Shape: count×F. surface: standardised. They maximise vᵀSv / vᵀCv: S is the second moment of the
    defective cells about the mean of good ones, and C the covariance of the good cells plus RIDGE.
    They are the generalised eigenvectors of (S, C), scaled to a deviation of 1 on good cells with
    RIDGE (0.95 without it, along one standardised feature).
    """
    good, bad = (part.double().numpy() for part in (surface.good, surface.bad))
    size = good.shape[1]
    covariance = good.T @ good / len(good) + RIDGE * np.eye(size)
    moment = bad.T @ bad / len(bad)
    _, vectors = eigh(moment, covariance, subset_by_index=(size - count, size - 1))
    # The sign of an eigenvector differs between libraries.
    signs = np.sign(vectors[np.abs(vectors).argmax(0), np.arange(count)])
    return torch.from_numpy(np.ascontiguousarray((vectors * signs).T)).float()


def _on_features(
    weight: Tensor, bias: Tensor, mean: Tensor, deviation: Tensor
) -> tuple[Tensor, Tensor]:
    """Convert a layer on standardised features to one on the features."""
    scaled = weight / deviation
    return scaled, bias - scaled @ mean


def _settle(network: MemoryBankDetector, last: nn.Linear, share: float, task: TrainingTask) -> None:
    """Weight distance and critic so that the peaks of good parts are equal, and set the scale."""
    scaling = task.good_held_back or task.good
    critic = last.weight[0]  # the subtraction of the middle cancels its bias
    scores = [
        _scores(network, critic, picture) for picture in (*scaling, *task.good)[:MOST_WEIGHED]
    ]
    middles, weights = np.zeros(2), np.zeros(2)
    for i, (name, part) in enumerate((("distance", 1.0 - share), ("critic", share))):
        some = [each[i] for each in scores]
        middles[i] = np.median([np.median(values) for values in some])
        reach = float(np.quantile([values.max() for values in some], PEAKS)) - middles[i]
        log.info("memory-bank %s good parts reach=%.2f", name, reach)
        weights[i] = part / max(reach, LEAST_REACH)
    peaks = [float(((each - middles[:, None]).T @ weights).max()) for each in scores]
    try:
        weights /= severity_unit(peaks[: len(scaling)])
    except ValueError as error:
        raise DataError(f"method memory-bank: all pictures look alike: {error}") from error
    network.weigh(float(weights[0]), critic * float(weights[1]), float(-middles @ weights))


@torch.no_grad()
def _scores(
    network: MemoryBankDetector, critic: Tensor, picture: Picture
) -> npt.NDArray[np.float64]:
    """Return the sum of deviations and the critic's sum of each cell: float64 2×cells."""
    stride = network.stride_px
    rows, cols = (-(-side // stride) for side in picture.kind_map.shape)
    hidden = network.hidden(planes(picture.pixels, network.multiple_px))[0, :, :rows, :cols]
    network.weigh(1.0, critic, 0.0)
    each = network.head.weight[0, :, 0, 0] * hidden.flatten(1).T
    both = 2 * network.directions
    return np.stack([each[:, :both].sum(1).numpy(), each[:, both:].sum(1).numpy()]).astype(
        np.float64
    )


METHOD = Method(train=train, build=build, good_only=True)
