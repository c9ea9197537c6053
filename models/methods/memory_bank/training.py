"""A memory of good parts: how far each cell's features lie from theirs, and what a critic says.

The features are a pretrained network's, which is not trained any further. Good parts give their
mean and covariance. Flaws painted on them (models/augmentation/synthetic_defects.py) say along
which directions flaws deviate most for what good parts do (Fisher's criterion), and teach a small
critic. No defect is needed. The network: models/methods/memory_bank/network.py; what else was
tried: docs/decisions/0028.
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
from models.methods.cell_features import Surface, look, planes
from models.methods.channel_equalisation import equalise, widen
from models.methods.memory_bank.critic import train_critic
from models.methods.memory_bank.network import MemoryBankDetector
from models.training.fit import start_from_imagenet
from models.training.int8_rounding import round_weights
from models.training.patches import Picture
from models.training.recipe import Recipe

log = logging.getLogger(__name__)

# Of a standardised feature's variance, added to it: along directions that good parts hardly use,
# int8's error is most of what is seen. With 0.01 it was a sixth larger (docs/decisions/0028).
RIDGE = 0.1
FLAT = 1e-3  # added to a feature's deviation: one that never moves tells nothing
PEAKS = 0.95  # of good parts' peaks, by which distance and critic are weighed against each other
MOST_EQUALISED = 100  # good pictures whose channels are measured
MOST_WEIGHED = 200  # good pictures that are looked at for it
LEAST_REACH = 1e-6


def train(task: TrainingTask) -> TrainedMethod:
    """Blocks for a minute or two. Raises DataError without ImageNet's weights or a good part."""
    options, seed = task.recipe.memory_bank, task.recipe.seed
    if not task.good:
        raise DataError("no training picture is of a good part; expected ten or more")
    network = build(task.recipe, task.channels).eval()
    start_from_imagenet(network, "method")
    for step in (equalise, widen):
        some = (planes(p.pixels, network.multiple_px) for p in task.good[:MOST_EQUALISED])
        step(network.backbone, some)
    round_weights(network.backbone)
    surface = look(
        network,
        task.good,
        paintings=options.paintings,
        most_cells=options.cells,
        seed=seed,
    )
    good, bad = surface.good, surface.bad
    log.info("memory good pictures=%s cells good=%s flawed=%s", len(task.good), len(good), len(bad))
    if not len(bad):
        raise DataError(
            "no flaw painted on a good part can be seen; expected pictures of 32 px a side or more "
            "that are not all black or white"
        )
    mean, deviation = good.mean(0), good.std(0) + FLAT
    sound = Surface((surface.features - mean) / deviation, surface.flawed)
    directions = find_directions(sound, options.directions)
    first, last, loss = train_critic(
        sound.features, sound.flawed, options.units, options.steps, seed
    )
    distance = _on_features(directions, torch.zeros(len(directions)), mean, deviation)
    network.remember(distance, _on_features(first.weight, first.bias, mean, deviation))
    _settle(network, last, options.critic, task)
    return TrainedMethod(network, loss)


def build(recipe: Recipe, channels: int) -> MemoryBankDetector:
    options = recipe.memory_bank
    return MemoryBankDetector(
        channels,
        reduction=options.reduction,
        directions=options.directions,
        units=options.units,
    )


def find_directions(surface: Surface, count: int) -> Tensor:
    """count×F: the directions along which flawed cells lie farthest from the mean of good ones,
    measured by how far good ones do, each scaled to deviate by 1 on good cells, of
    which RIDGE is a part (0.95 without it, along one standardised feature).

    surface: standardised. They maximise vᵀSv / vᵀCv, S the flawed cells' second moment about the
    good mean and C the good cells' covariance: the generalised eigenvectors of (S, C).
    """
    good, bad = (part.double().numpy() for part in (surface.good, surface.bad))
    size = good.shape[1]
    covariance = good.T @ good / len(good) + RIDGE * np.eye(size)
    flawed = bad.T @ bad / len(bad)
    _, vectors = eigh(flawed, covariance, subset_by_index=(size - count, size - 1))
    # An eigenvector's sign is the library's whim.
    signs = np.sign(vectors[np.abs(vectors).argmax(0), np.arange(count)])
    return torch.from_numpy(np.ascontiguousarray((vectors * signs).T)).float()


def _on_features(
    weight: Tensor, bias: Tensor, mean: Tensor, deviation: Tensor
) -> tuple[Tensor, Tensor]:
    """A layer on standardised features as one on the features themselves."""
    scaled = weight / deviation
    return scaled, bias - scaled @ mean


def _settle(network: MemoryBankDetector, last: nn.Linear, share: float, task: TrainingTask) -> None:
    """Weigh distance and critic so that good parts' peaks reach as far, and set the scale."""
    judged = task.good_held_back or task.good
    critic = last.weight[0]  # its bias goes with the middle
    scores = [_scores(network, critic, picture) for picture in (*judged, *task.good)[:MOST_WEIGHED]]
    middles, weights = np.zeros(2), np.zeros(2)
    for i, (name, part) in enumerate((("distance", 1.0 - share), ("critic", share))):
        some = [each[i] for each in scores]
        middles[i] = np.median([np.median(values) for values in some])
        reach = float(np.quantile([values.max() for values in some], PEAKS)) - middles[i]
        log.info("memory %s good parts reach=%.2f", name, reach)
        weights[i] = part / max(reach, LEAST_REACH)
    peaks = [float(((each - middles[:, None]).T @ weights).max()) for each in scores]
    try:
        weights /= severity_unit(peaks[: len(judged)])
    except ValueError as error:
        raise DataError(f"the pictures cannot be told from one another: {error}") from error
    network.weigh(float(weights[0]), critic * float(weights[1]), float(-middles @ weights))


@torch.no_grad()
def _scores(
    network: MemoryBankDetector, critic: Tensor, picture: Picture
) -> npt.NDArray[np.float64]:
    """2×cells: of each cell of the picture the sum of its deviations, and the critic's sum."""
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
