"""Training of PatchCore: a coreset of the features of good parts, and the scale of severity.

Source: Roth et al. 2022 (CVPR), section 3.2.
"""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch import Tensor

from models.data.dataset import DataError
from models.methods.base import Method, TrainedMethod, TrainingTask, severity_unit
from models.methods.cell_features import input_of, planes
from models.methods.frozen_backbone import freeze_backbone, require_good
from models.methods.patchcore.coreset import greedy_coreset, project
from models.methods.patchcore.network import PatchCoreDetector
from models.methods.recipe import PatchCoreRecipe
from models.networks.efficientnet import EfficientNetLite
from models.training.patches import Picture
from models.training.progress import stage, track
from models.training.recipe import Recipe

log = logging.getLogger(__name__)

# Share of the length of a vector below which a distance is the rounding error of float32.
ROUNDING = 5e-3


def train(task: TrainingTask) -> TrainedMethod:
    """Choose the bank. Block for minutes.

    Raises DataError without the weights of ImageNet, or without a good part.
    """
    require_good(task.good)
    network = task.device.place(build(task.recipe, task.channels).eval())
    freeze_backbone(network, task.good)
    network.remember(_choose(network, task), task.recipe.patchcore.neighbours)
    _settle(network, task)
    return TrainedMethod(network)


def choose_vectors(task: TrainingTask, backbone: EfficientNetLite) -> Tensor:
    """Return the vectors of a bank, N×features, for a frozen backbone of another network.

    The backbone is on the processor, before and after. Blocks for minutes.
    """
    network = build(task.recipe, task.channels).eval()
    network.backbone = backbone
    return _choose(task.device.place(network), task)


def _choose(network: PatchCoreDetector, task: TrainingTask) -> Tensor:
    """Return the vectors for a network with a frozen backbone, and place it on the processor."""
    options, seed = task.recipe.patchcore, task.recipe.seed
    features, total = _collect(network, task.good, options.cells, seed)
    size = bank_size(options, total, len(features))
    with stage(f"choosing {size} of {len(features)} cells for the bank"):
        points = task.device.place(project(features, options.projected, seed))
        chosen = greedy_coreset(points, size, seed)
    log.info("patchcore cells=%s kept=%s bank=%s", total, len(features), len(chosen))
    network.cpu()
    return features[chosen]


def build(recipe: Recipe, channels: int) -> PatchCoreDetector:
    # The size of the bank is that of the weights.
    options = recipe.patchcore
    return PatchCoreDetector(channels, backbone=options.backbone, cell_px=options.cell_px)


def bank_size(options: PatchCoreRecipe, total: int, kept: int) -> int:
    """Return the size of the bank: ``share`` of all cells, at most ``vectors`` of those kept."""
    return min(max(round(options.share * total), options.neighbours), options.vectors, kept)


@torch.no_grad()
def _collect(
    network: PatchCoreDetector, pictures: tuple[Picture, ...], most: int, seed: int
) -> tuple[Tensor, int]:
    """Return features of cells drawn from all pictures, N×features, and the number of all cells.

    At most ``most`` cells are kept, of each picture the same share of them.
    """
    rng = np.random.default_rng([seed, 48])
    shapes = [_cells_of(picture, network.cell_px) for picture in pictures]
    total = sum(rows * cols for rows, cols in shapes)
    share = min(1.0, most / total)
    found = []
    seen = track(pictures, "collecting features of good parts", len(pictures))
    for picture, (rows, cols) in zip(seen, shapes, strict=True):
        features = network.cell_features(input_of(network, picture.pixels)).cpu()
        cells = features[0, :, :rows, :cols].flatten(1).T
        count = max(1, int(share * len(cells)))
        drawn = np.sort(rng.permutation(len(cells))[:count])
        found.append(cells[torch.from_numpy(drawn)])
    return torch.cat(found), total


def _cells_of(picture: Picture, cell_px: int) -> tuple[int, int]:
    """Return rows and columns of the cells that show the picture, and not its reflected rim."""
    rows, cols = (-(-side // cell_px) for side in picture.kind_map.shape)
    return rows, cols


@torch.no_grad()
def _settle(network: PatchCoreDetector, task: TrainingTask) -> None:
    """Set the scales of severity, from the peaks of the map and from the scores of good parts."""
    peaks, scores = [], []
    scaling = task.good_held_back or task.good
    for picture in track(scaling, "measuring the distance of good parts", len(scaling)):
        cells, part = network.distances(planes(picture.pixels, network.multiple_px))
        height, width = picture.kind_map.shape
        peaks.append(float(network.pixels(cells)[0, 0, :height, :width].max()))
        scores.append(float(part))
    length = float(network.bank[:-1].norm(dim=0).mean())
    log.info("patchcore good parts reach=%.2f length of vectors=%.2f", max(peaks), length)
    if max(peaks) <= ROUNDING * length:
        raise DataError("method patchcore: all pictures look alike; expected different good parts")
    network.scale(severity_unit(peaks), severity_unit(scores))


METHOD = Method(train=train, build=build, good_only=True, formats=("onnx",), by_name=True)
