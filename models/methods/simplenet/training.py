"""Training of SimpleNet: a discriminator separates features of good parts from noisy ones.

Source: Liu et al. 2023 (SimpleNet, CVPR), sections 3.3 to 3.5. docs/decisions/0050 has what
differs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.augmentation.crops import Augmentation
from models.data.dataset import DataError, Pixels
from models.methods.base import Method, TrainedMethod, TrainingTask, severity_unit
from models.methods.cell_features import planes
from models.methods.frozen_backbone import freeze_backbone, require_good
from models.methods.recipe import PictureTrainingRecipe
from models.methods.simplenet.network import (
    CELL_PX,
    CellHead,
    JoinedFeatures,
    SimpleNetDetector,
    set_scale,
)
from models.networks import normalise
from models.training.device import CPU, TrainingDevice, device_of
from models.training.feed import Pair, feed
from models.training.fit import Fit, Schedule
from models.training.patches import Picture
from models.training.progress import track
from models.training.recipe import Recipe
from models.training.whole_pictures import Cells, Sampling, WholePictures

log = logging.getLogger(__name__)

MOST_MEASURED = 200  # most good pictures for mean and deviation of features
FLAT = 1e-3  # added to the deviation of a feature, so that a constant one has no weight
TINY = 1e-12  # no deviation is 0, even where all features are constant
MARGIN = 0.5  # logits of sound and defective cells are at least so far from 0
LEAST_REACH = 1e-6


def train(task: TrainingTask) -> TrainedMethod:
    """Train adaptor and discriminator. Blocks for about 0.4 s for each step on one core.

    Raises DataError without the weights of ImageNet or a good part.
    """
    options = task.recipe.simplenet
    require_good(task.good)
    torch.manual_seed(task.recipe.seed)
    network = task.device.place(build(task.recipe, task.channels).eval())
    freeze_backbone(network, task.good)
    standardise_on(network, task.good)
    log.info("simplenet good pictures=%s", len(task.good))
    network.cells.noise = options.noise
    plan = schedule(options, task.device)
    fit = Fit(network.cells, _loss, plan, task.checkpoint, "discriminator (simplenet)")
    cells = fit.run(lambda first, last: _batches(task, network, first, last))
    assert isinstance(cells, CellHead)
    network.cells = cells
    network.cpu()
    _settle(network, task)
    return TrainedMethod(network.eval(), fit.history)


def build(recipe: Recipe, channels: int) -> SimpleNetDetector:
    options = recipe.simplenet
    return SimpleNetDetector(channels, backbone=options.backbone, width=options.width)


def schedule(options: PictureTrainingRecipe, device: TrainingDevice = CPU) -> Schedule:
    return Schedule(options.steps, options.learning_rate, options.weight_decay, options.ema, device)


def sampling(seed: int, options: PictureTrainingRecipe) -> Sampling:
    """Return how whole pictures are drawn and changed."""
    limits = Augmentation(
        flip=options.flip,
        rotate_deg=options.rotate_deg,
        brightness=options.brightness,
        contrast=options.contrast,
    )
    return Sampling(seed, options.batch, options.picture_px, limits)


def standardise_on(network: JoinedFeatures, good: tuple[Picture, ...]) -> None:
    """Measure mean and deviation of each feature on good parts, and set them."""
    count = sum(network.widths)
    network.standardise(torch.zeros(count), torch.ones(count))
    device = device_of(network)
    network.standardise(
        *feature_statistics(lambda x: network.features(x.to(device)), network.multiple_px, good)
    )


@torch.no_grad()
def feature_statistics(
    features: Callable[[Tensor], Tensor], multiple_px: int, good: tuple[Picture, ...]
) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of each feature on good parts, F each. No deviation is 0.

    features: gives 1×F×h×w of a picture whose sides are multiples of multiple_px, on any device.
    """
    total, squares, count = torch.zeros(1), torch.zeros(1), 0
    for picture in track(good[:MOST_MEASURED], "measuring the features of good parts"):
        cells = features(planes(picture.pixels, multiple_px))[0].flatten(1)
        total = total + cells.sum(1).cpu()
        squares = squares + cells.square().sum(1).cpu()
        count += cells.shape[1]
    mean = total / count
    deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
    return mean, deviation + FLAT * deviation.mean() + TINY


def truncated_l1(logits: Tensor, bad: Tensor, sound: Tensor) -> Tensor:
    """Return how far logits are from their side of the margin (section 3.5 of the paper).

    bad, sound: the weight of each as a defective or as a sound one, of the shape of logits. Both
    sides have the same weight in total.
    """
    above, below = (MARGIN - logits).clamp(min=0), (logits + MARGIN).clamp(min=0)
    loss = (above * bad).sum() / bad.sum().clamp(min=1)
    return loss + (below * sound).sum() / sound.sum().clamp(min=1)


def scale_of(method: str, good: Sequence[npt.NDArray[np.float32]]) -> tuple[float, float]:
    """Return (middle, unit) of severity = (logit - middle) / unit.

    good: the logits of each held-back good part, which then reach the severity of good parts.
    Raises DataError where all logits are equal.
    """
    middle = float(np.median([np.median(each) for each in good]))
    peaks = [float(np.max(each)) - middle for each in good]
    if max(peaks) <= LEAST_REACH:
        raise DataError(f"method {method}: all pictures look alike; expected others")
    return middle, severity_unit(peaks)


def _batches(
    task: TrainingTask, network: SimpleNetDetector, first: int, last: int
) -> Iterator[Pair]:
    """Yield the input of ``CellHead`` and its targets, for each step."""
    options = sampling(task.recipe.seed, task.recipe.simplenet)
    source = WholePictures(task.good, options, _sound, network.multiple_px)

    def batch(step: int) -> Pair:
        pixels, targets = source.batch(step)
        return torch.from_numpy(pixels), torch.from_numpy(targets[:, :-1])

    for pixels, sound in feed(batch, first, last):
        with torch.no_grad():
            features = network.features(normalise(task.device.place(pixels)))
        yield features, torch.cat([sound, torch.ones_like(sound)])


def _sound(pixels: Pixels, kind_map: Pixels) -> Cells:
    """Return 0 for each cell: float32 rows×cols."""
    rows, cols = (-(-side // CELL_PX) for side in kind_map.shape)
    return np.zeros((rows, cols), np.float32)


def _loss(logits: Tensor, is_noisy: Tensor) -> Tensor:
    return truncated_l1(logits, is_noisy, 1 - is_noisy)


@torch.no_grad()
def _settle(network: SimpleNetDetector, task: TrainingTask) -> None:
    """Set the scale of severity from good parts."""
    good = task.good_held_back or task.good
    logits = []
    for picture in track(good, "measuring the logits of good parts", len(good)):
        rows, cols = (-(-side // CELL_PX) for side in picture.kind_map.shape)
        whole = network.logits(planes(picture.pixels, network.multiple_px))
        logits.append(whole[0, 0, :rows, :cols].numpy())
    set_scale(network.map_scale, *scale_of("simplenet", logits))


METHOD = Method(train=train, build=build, good_only=True, by_name=True)
