"""Distillation of the teacher: a small network imitates the features of one trained on ImageNet.

Source: Batzner et al. 2024 (EfficientAD, WACV), section 3.1 and appendix. The paper uses pictures
of ImageNet. Here they are good parts, strongly changed, and generated textures, so that the teacher
is defined on defects too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.augmentation.corruption import Corruption, corrupt
from models.augmentation.crops import Augmentation, augment
from models.data.dataset import Pixels, as_channels
from models.data.textures import specimen
from models.methods.base import TrainingTask
from models.methods.efficientad.network import MULTIPLE_PX, EfficientADDetector
from models.methods.simplenet.network import JoinedFeatures
from models.methods.simplenet.training import schedule, standardise_on
from models.networks import normalise
from models.training.feed import Pair
from models.training.fit import Fit, start_from_imagenet
from models.training.progress import track

TEXTURES = 40  # generated pictures that show no part of the line
TEXTURE_PX = 256  # their side
TEXTURE_SEED = 51
OUTSIDE_SHARE = 0.2  # share of the teacher's crops that show a texture
STRONG = Augmentation(
    flip=True,
    rotate_deg=180.0,
    zoom=0.5,
    noise_sigma=6.0,
    illumination=0.3,
    contrast=0.4,
    brightness=40.0,
)
CORRUPTION = Corruption(defect_share=0.7)
LEAST_DEVIATION = 1e-3  # of a standardised feature: with less, one has no weight


@cache
def textures(channels: int) -> tuple[Pixels, ...]:
    """Return generated pictures of surfaces, always the same: uint8 H×W or H×W×3."""
    size = (TEXTURE_PX, TEXTURE_PX)
    made = (specimen(TEXTURE_SEED, i, size, defective=0.0).image for i in range(TEXTURES))
    return tuple(as_channels(each, channels) for each in made)


def distil(network: EfficientADDetector, task: TrainingTask) -> None:
    """Train the teacher, in place. Blocks for about 0.2 s for each step and view on one core.

    A training that was killed continues from a checkpoint beside that of the task. Raises DataError
    without the weights of ImageNet.
    """
    options = task.recipe.efficientad
    backbone = task.device.place(JoinedFeatures(task.channels, backbone=options.backbone).eval())
    start_from_imagenet(backbone, "method")
    plan = schedule(options.model_copy(update={"steps": options.teacher_steps}), task.device)
    checkpoint = task.checkpoint.with_name(f"teacher-{task.checkpoint.name}")
    fit = Fit(network.teacher, functional.mse_loss, plan, checkpoint, "teacher (efficientad)")
    teacher = fit.run(lambda first, last: _batches(task, backbone, first, last))
    assert isinstance(teacher, nn.Sequential)
    network.teacher = teacher


@dataclass(frozen=True, slots=True)
class Views:
    """Changed crops, uint8 N×C×s×s, and the features to imitate, float32 N×F×h×w."""

    pixels: Tensor
    features: Tensor


@torch.no_grad()
def collect_views(task: TrainingTask, backbone: JoinedFeatures) -> Views:
    """Return changed crops of good parts and textures, with features of mean 0 and deviation 1.

    Equal seeds give equal views. Blocks for about 0.15 s for each on one core.
    """
    options = task.recipe.efficientad
    standardise_on(backbone, task.good)
    rng = np.random.default_rng([task.recipe.seed, 51])
    chosen = chosen_features(options.features, backbone.widths)
    pixels, features = [], []
    for crop in track(_crops(task, rng), "computing features for the teacher", options.views):
        pixels.append(crop)
        found = backbone.features(normalise(task.device.place(crop[None])))
        features.append(found[0, chosen].cpu())
    cells = torch.stack(features)
    cells -= cells.mean((0, 2, 3), keepdim=True)
    cells /= cells.square().mean((0, 2, 3), keepdim=True).sqrt().clamp(min=LEAST_DEVIATION)
    return Views(torch.stack(pixels), cells)


def chosen_features(count: int, widths: tuple[int, ...]) -> Tensor:
    """Return the numbers of the imitated features: half of them at either stride, evenly spread.

    widths: number of features at either stride.
    """
    half, (fine, coarse) = count // 2, widths
    numbers = torch.linspace(0, fine - 1, half), torch.linspace(fine, fine + coarse - 1, half)
    return torch.cat(numbers).round().long()


def _crops(task: TrainingTask, rng: np.random.Generator) -> Iterator[Tensor]:
    """Yield each crop, uint8 C×s×s. Pictures take turns."""
    options = task.recipe.efficientad
    side = -(-options.picture_px // MULTIPLE_PX) * MULTIPLE_PX
    outside = textures(task.channels)
    order = rng.permutation(len(task.good))
    for number in range(options.views):
        if rng.random() < OUTSIDE_SHARE:
            pixels = outside[int(rng.integers(len(outside)))]
        else:
            pixels = task.good[int(order[number % len(order)])].pixels
        nothing = np.zeros(pixels.shape[:2], np.uint8)
        pixels, _ = augment(pixels, nothing, STRONG, rng, (side, side))
        pixels = corrupt(pixels, CORRUPTION, rng)
        stacked = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        yield torch.from_numpy(np.ascontiguousarray(stacked))


def _batches(task: TrainingTask, backbone: JoinedFeatures, first: int, last: int) -> Iterator[Pair]:
    """Yield crops and the features to imitate, for each step."""
    if first >= last:
        return
    views = collect_views(task, backbone)
    for step in range(first, last):
        rng = np.random.default_rng([task.recipe.seed, 52, step])
        chosen = torch.from_numpy(
            rng.integers(len(views.pixels), size=task.recipe.efficientad.batch)
        )
        yield normalise(views.pixels[chosen]), views.features[chosen]
