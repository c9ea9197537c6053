"""Training of EfficientAD: the teacher first, then student and autoencoder together.

Source: Batzner et al. 2024 (EfficientAD, WACV), sections 3.1 to 3.4. docs/decisions/0051 has what
differs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.augmentation.crops import Augmentation, augment
from models.data.dataset import DataError, Pixels
from models.methods.base import Method, TrainedMethod, TrainingTask
from models.methods.cell_features import planes
from models.methods.efficientad.distillation import distil, textures
from models.methods.efficientad.network import CELL_PX, EfficientADDetector, Pupils
from models.methods.frozen_backbone import require_good
from models.methods.simplenet.training import feature_statistics, sampling, scale_of, schedule
from models.networks import normalise
from models.training.feed import Pair, feed
from models.training.fit import Fit
from models.training.int8_rounding import round_weights
from models.training.progress import track
from models.training.recipe import Recipe
from models.training.whole_pictures import Cells, WholePictures

log = logging.getLogger(__name__)

LOW, HIGH = 0.9, 0.995  # quantiles of maps of good parts that are made equal (section 3.4)
LEAST_REACH = 1e-6
MIRRORED = Augmentation(flip=True)  # the change of a texture


def train(task: TrainingTask) -> TrainedMethod:
    """Train teacher, student and autoencoder. Blocks for about 0.6 s for each step on one core.

    Raises DataError without the weights of ImageNet or a good part.
    """
    options = task.recipe.efficientad
    require_good(task.good)
    torch.manual_seed(task.recipe.seed)
    network = build(task.recipe, task.channels).eval()
    distil(network, task)
    teacher = task.device.place(network.teacher)
    network.standardise(
        *feature_statistics(lambda x: teacher(task.device.place(x)), network.multiple_px, task.good)
    )
    round_weights(network.teacher)
    network.teacher.requires_grad_(False)
    log.info("efficientad good pictures=%s", len(task.good))
    error = partial(loss, hard_share=options.hard_share, outside=options.outside)
    title = "student (efficientad)"
    fit = Fit(network.pupils, error, schedule(options, task.device), task.checkpoint, title)
    pupils = fit.run(lambda first, last: _batches(task, network, first, last))
    assert isinstance(pupils, Pupils)
    network.pupils = pupils
    network.cpu()
    _settle(network, task)
    return TrainedMethod(network.eval(), fit.history)


def build(recipe: Recipe, channels: int) -> EfficientADDetector:
    options = recipe.efficientad
    return EfficientADDetector(
        channels, features=options.features, width=options.width, bottleneck=options.bottleneck
    )


def loss(outputs: Tensor, known: Tensor, *, hard_share: float, outside: float) -> Tensor:
    """Return the loss of student and autoencoder (equations 1 to 5 of the paper).

    outputs: of ``Pupils``, N×3·F×h×w. known: the output of the teacher, N×F×h×w; NaN for a picture
    that is not of the line. hard_share: share of the student's squared errors, the largest ones,
    that count. outside: weight of what the student predicts for pictures not of the line.
    """
    student, imitation, reconstruction = outputs.chunk(3, 1)
    of_line = ~known[:, 0, 0, 0].isnan()
    target = known[of_line]
    errors = (student[of_line] + target).square().flatten()
    hard = errors.topk(max(1, round(hard_share * len(errors)))).values.mean()
    rebuilt = reconstruction[of_line]
    total = hard + (rebuilt - target).square().mean()
    total = total + (imitation[of_line] + rebuilt.detach()).square().mean()
    if not bool(of_line.all()):
        total = total + outside * student[~of_line].square().mean()
    return total


def _batches(
    task: TrainingTask, network: EfficientADDetector, first: int, last: int
) -> Iterator[Pair]:
    """Yield pictures and what the teacher returns of them, for each step.

    With ``outside`` the last picture of a batch is a texture.
    """
    options, seed = task.recipe.efficientad, task.recipe.seed
    source = WholePictures(task.good, sampling(seed, options), _sound, network.multiple_px)
    outside = textures(task.channels) if options.outside > 0 else ()

    def batch(step: int) -> Pair:
        pixels, _ = source.batch(step)
        of_line = torch.ones(len(pixels) + bool(outside))
        if outside:
            of_line[-1] = 0.0
            rng = np.random.default_rng([seed, 53, step])
            texture = _texture(outside, rng, (pixels.shape[2], pixels.shape[3]))
            pixels = np.concatenate([pixels, texture])
        return torch.from_numpy(pixels), of_line

    for pixels, of_line in feed(batch, first, last):
        inputs = normalise(task.device.place(pixels))
        with torch.no_grad():
            known = network.teacher(inputs)
            known[of_line == 0] = torch.nan
        yield inputs, known


def _texture(
    outside: tuple[Pixels, ...], rng: np.random.Generator, size_px: tuple[int, int]
) -> Pixels:
    """Return one texture as a batch, uint8 1×C×H×W."""
    chosen = outside[int(rng.integers(len(outside)))]
    nothing = np.zeros(chosen.shape[:2], np.uint8)
    pixels, _ = augment(chosen, nothing, MIRRORED, rng, size_px)
    return pixels[None, None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)[None]


def _sound(pixels: Pixels, kind_map: Pixels) -> Cells:
    """Return no cells: the targets of good parts are those of the teacher."""
    return np.zeros((0, 0), np.float32)


@torch.no_grad()
def _settle(network: EfficientADDetector, task: TrainingTask) -> None:
    """Set the weights of both differences, and the scale of severity, from good parts."""
    good = task.good_held_back or task.good
    maps: list[npt.NDArray[np.float32]] = []
    for picture in track(good, "measuring the differences of good parts", len(good)):
        rows, cols = (-(-side // CELL_PX) for side in picture.kind_map.shape)
        both = network.local_and_global(planes(picture.pixels, network.multiple_px))
        maps.append(both[0, :, :rows, :cols].flatten(1).numpy())
    weights = []
    for values, name in zip(np.concatenate(maps, 1), ("teacher", "autoencoder"), strict=True):
        low, high = (float(each) for each in np.quantile(values, (LOW, HIGH)))
        log.info("efficientad difference from the %s low=%.3f high=%.3f", name, low, high)
        if high - low <= LEAST_REACH:
            raise DataError("method efficientad: all pictures look alike; expected others")
        weights.append(0.5 / (high - low))
    joined = [np.asarray(np.array(weights) @ each, np.float32) for each in maps]
    middle, unit = scale_of("efficientad", joined)
    network.weigh(weights[0] / unit, weights[1] / unit, -middle / unit)


METHOD = Method(train=train, build=build, good_only=True, by_name=True)
