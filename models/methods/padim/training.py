"""Training of PaDiM: mean and covariance of the features of good parts, for each place.

Source: Defard et al. 2021 (ICPR Workshops), section III.B and equation 1.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import torch
from torch import Tensor

from models.data.dataset import DataError
from models.methods.base import Method, TrainedMethod, TrainingTask, severity_unit
from models.methods.cell_features import input_of, planes
from models.methods.frozen_backbone import freeze_backbone, require_good
from models.methods.padim.network import PaDiMDetector
from models.methods.recipe import PaDiMRecipe
from models.training.patches import Picture
from models.training.progress import stage, track
from models.training.recipe import Recipe

log = logging.getLogger(__name__)

MOST_BYTES = 200_000_000  # of all matrices; a bundle has at most 256 MiB
BATCH = 8  # pictures whose products are added to the covariances at once
LEAST_REACH = 1e-2  # distance, in standard deviations, below which it is a rounding error
CHUNK = 256  # places whose covariances are inverted at once


def train(task: TrainingTask) -> TrainedMethod:
    """Measure the Gaussians. Block for two runs of the network on every good part.

    Raises DataError without the weights of ImageNet, without a good part, for pictures of several
    sizes, or for more places than a bundle can hold.
    """
    options = task.recipe.padim
    require_good(task.good)
    network = task.device.place(build(task.recipe, task.channels).eval())
    _require_one_size(task.pictures + task.held_back)
    _require_space(task.good[0], network, options)
    freeze_backbone(network, task.good)
    drawn = torch.Generator().manual_seed(task.recipe.seed)
    order = torch.randperm(network.features, generator=drawn)
    network.chosen = task.device.place(order[: options.dimensions].sort().values)
    _fit(network, task.good, options.ridge)
    network.cpu()
    _settle(network, task)
    return TrainedMethod(network)


def build(recipe: Recipe, channels: int) -> PaDiMDetector:
    options = recipe.padim
    return PaDiMDetector(channels, backbone=options.backbone, reduction=options.reduction)


def _require_one_size(pictures: tuple[Picture, ...]) -> None:
    height, width = pictures[0].kind_map.shape
    for picture in pictures:
        if picture.kind_map.shape != (height, width):
            rows, cols = picture.kind_map.shape
            raise DataError(
                f"{picture.sample.name}: is {cols}×{rows} px, and {pictures[0].sample.name} is "
                f"{width}×{height} px; expected pictures of one size for the method padim"
            )


def _require_space(picture: Picture, network: PaDiMDetector, options: PaDiMRecipe) -> None:
    multiple, cell = network.multiple_px, network.cell_px
    rows, cols = (-(-side // multiple) * multiple // cell for side in picture.kind_map.shape)
    taken = 4 * rows * cols * options.dimensions**2
    if taken > MOST_BYTES:
        height, width = picture.kind_map.shape
        raise DataError(
            f"method padim: pictures of {width}×{height} px take {taken // 10**6} MB for "
            f"{rows * cols} places; expected at most {MOST_BYTES // 10**6} MB: a larger "
            "padim.reduction or fewer padim.dimensions"
        )


@torch.no_grad()
def _fit(network: PaDiMDetector, good: tuple[Picture, ...], ridge: float) -> None:
    """Set the mean and the inverse covariance of each place."""
    mean = sum(_features(network, good, "measuring means of good parts")) / len(good)
    assert isinstance(mean, Tensor)
    network.mean = mean
    dimensions, rows, cols = mean.shape
    covariance = mean.new_zeros(rows * cols, dimensions, dimensions)
    batch: list[Tensor] = []
    for number, features in enumerate(_features(network, good, "measuring covariances"), start=1):
        batch.append((features - mean).flatten(1).T)
        if len(batch) == BATCH or number == len(good):
            some = torch.stack(batch, 2)
            covariance.baddbmm_(some, some.transpose(1, 2))
            batch.clear()
    covariance /= max(len(good) - 1, 1)
    with stage(f"inverting the covariances of {len(covariance)} places"):
        # In float64, which MPS does not have.
        network.whiten = _whitening(covariance.cpu(), ridge)


def _features(
    network: PaDiMDetector, pictures: tuple[Picture, ...], title: str
) -> Iterator[Tensor]:
    for picture in track(pictures, title, len(pictures)):
        yield network.cell_features(input_of(network, picture.pixels))[0]


def _whitening(covariance: Tensor, ridge: float) -> Tensor:
    """Return W for each place, with W·Wᵀ = (covariance + ridge · 1)⁻¹, in place of it."""
    identity = torch.eye(covariance.shape[1], dtype=torch.float64)
    for start in range(0, len(covariance), CHUNK):
        part = slice(start, start + CHUNK)
        lower = torch.linalg.cholesky(covariance[part].double() + ridge * identity)
        inverse = torch.linalg.solve_triangular(lower, identity.expand_as(lower), upper=False)
        covariance[part] = inverse.transpose(1, 2).float()
    return covariance


@torch.no_grad()
def _settle(network: PaDiMDetector, task: TrainingTask) -> None:
    """Set the scale of severity from the peaks of good parts."""
    peaks = []
    scaling = task.good_held_back or task.good
    for picture in track(scaling, "measuring the distance of good parts", len(scaling)):
        height, width = picture.kind_map.shape
        severity = network.raw(planes(picture.pixels, network.multiple_px))
        peaks.append(float(severity[0, 0, :height, :width].max()))
    log.info("padim good parts reach=%.2f", max(peaks))
    if max(peaks) <= LEAST_REACH:
        raise DataError("method padim: all pictures look alike; expected different good parts")
    network.unit.fill_(severity_unit(peaks))


METHOD = Method(train=train, build=build, good_only=True, formats=("onnx",), by_place=True)
