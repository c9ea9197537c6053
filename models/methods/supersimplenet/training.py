"""Training of SuperSimpleNet: good parts, marks and masks in one recipe.

Source: Rolih et al. 2025 (SuperSimpleNet), sections III.B to III.D, with the distance weights of
Božič et al. 2021 (Computers in Industry 129:103459). docs/decisions/0049 has what differs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.data.dataset import Pixels
from models.methods.base import Method, TrainedMethod, TrainingTask
from models.methods.cell_features import planes
from models.methods.frozen_backbone import freeze_backbone, require_good
from models.methods.simplenet.network import CELL_PX
from models.methods.simplenet.training import (
    sampling,
    scale_of,
    schedule,
    standardise_on,
    truncated_l1,
)
from models.methods.supersimplenet.anomalies import anomaly_mask
from models.methods.supersimplenet.network import Heads, SuperSimpleNetDetector
from models.networks import SEVERITY_MAX, DetectorNetwork, normalise
from models.training.feed import Pair, feed
from models.training.fit import Fit
from models.training.labels import coverage_cells
from models.training.patches import Picture
from models.training.progress import track
from models.training.recipe import Recipe
from models.training.whole_pictures import WholePictures

log = logging.getLogger(__name__)

FOCUS = 4.0  # exponent of the focal loss
DEFECTIVE = 0.1  # share of defect pixels from which on a cell counts as defective
FAR, POWER = 3.0, 2.0  # weight of the cells furthest inside a defect, and its exponent
PEAKS = 0.9  # quantile of the peaks of defective parts that reaches the top of severity


def train(task: TrainingTask) -> TrainedMethod:
    """Train the heads. Blocks for about 0.5 s for each step on one core.

    Defective pictures are used where the task has some: those with a mask for map and decision,
    those without for the decision. Raises DataError without the weights of ImageNet or a good part.
    """
    require_good(task.good)
    torch.manual_seed(task.recipe.seed)
    network = task.device.place(build(task.recipe, task.channels).eval())
    freeze_backbone(network, task.good)
    standardise_on(network, task.good)
    return _trained(task, network)


def _further(task: TrainingTask, network: DetectorNetwork) -> TrainedMethod:
    """Train the heads further, from their own weights, for instance with new marks."""
    assert isinstance(network, SuperSimpleNetDetector)
    torch.manual_seed(task.recipe.seed)
    return _trained(task, task.device.place(network.eval()))


def build(recipe: Recipe, channels: int) -> SuperSimpleNetDetector:
    options = recipe.supersimplenet
    return SuperSimpleNetDetector(channels, backbone=options.backbone, width=options.width)


def _trained(task: TrainingTask, network: SuperSimpleNetDetector) -> TrainedMethod:
    options = task.recipe.supersimplenet
    marked = sum(not picture.sample.is_good for picture in task.pictures)
    drawn = sum(bool(picture.kind_map.any()) for picture in task.pictures)
    log.info(
        "supersimplenet good pictures=%s defective=%s of them with a mask=%s",
        len(task.good),
        marked,
        drawn,
    )
    network.heads.noise = options.noise
    plan = schedule(options, task.device)
    fit = Fit(network.heads, _loss, plan, task.checkpoint, "heads (supersimplenet)")
    heads = fit.run(lambda first, last: _batches(task, network, first, last))
    assert isinstance(heads, Heads)
    network.heads = heads
    network.cpu()
    _settle(network, task)
    return TrainedMethod(network.eval(), fit.history)


def _batches(
    task: TrainingTask, network: SuperSimpleNetDetector, first: int, last: int
) -> Iterator[Pair]:
    """Yield the input of ``Heads`` and its targets, for each step."""
    options = sampling(task.recipe.seed, task.recipe.supersimplenet)
    source = WholePictures(task.pictures, options, _cells, network.multiple_px)

    def batch(step: int) -> Pair:
        pixels, targets = source.batch(step)
        rng = np.random.default_rng([task.recipe.seed, 49, step])
        rows, cols = (side // CELL_PX for side in pixels.shape[2:])
        where = np.stack([anomaly_mask(rows, cols, rng) for _ in pixels])
        return torch.from_numpy(pixels), torch.from_numpy(
            np.concatenate([where.reshape(len(pixels), -1), targets], 1)
        )

    for pixels, packed in feed(batch, first, last):
        with torch.no_grad():
            features = network.features(normalise(task.device.place(pixels)))
        cells = features.shape[2] * features.shape[3]
        packed = packed.to(features.device)
        where, targets = packed[:, :cells], packed[:, cells:]
        where, noisy = with_anomalies(where, targets)
        plane = where.reshape(len(pixels), 1, *features.shape[2:])
        yield torch.cat([features, plane], 1), torch.cat([targets, noisy])


def with_anomalies(where: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the places of anomalies, and the targets with them: N×cells and N×(cells + 1).

    where: N×cells, 1 at an anomaly. targets: of the pictures without anomalies, NaN where a cell is
    not known. There is no anomaly over a defect or in a picture whose cells are not known.
    """
    cells, part = targets[:, :-1], targets[:, -1]
    where = where * (cells == 0)  # NaN equals nothing
    noisy = torch.maximum(cells, where)
    found = where.amax(1) > 0
    part = torch.where(found, torch.full_like(part, SEVERITY_MAX), part)
    return where, torch.cat([noisy, part[:, None]], 1)


def _cells(pixels: Pixels, kind_map: Pixels) -> npt.NDArray[np.float32]:
    """Return the weight of each defective cell, and 0 for sound ones: float32 rows×cols.

    Cells near the outline of a mask count less, because masks are not exact there (Božič et al.
    2021).
    """
    share = coverage_cells(kind_map > 0, CELL_PX)
    inside = (share >= DEFECTIVE).astype(np.uint8)
    distance = cv2.distanceTransform(np.pad(inside, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    count, regions = cv2.connectedComponents(inside)
    furthest = np.ones(count)
    np.maximum.at(furthest, np.asarray(regions, np.int64), distance)
    return np.asarray(FAR * (distance / furthest[regions]) ** POWER, np.float32)


def _loss(rows: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of cells and parts: truncated L1 and focal (section III.D)."""
    return cell_loss(rows[:, :-1], targets[:, :-1]) + focal_loss(
        rows[:, -1], (targets[:, -1] > 0).float(), torch.ones_like(rows[:, -1])
    )


def cell_loss(logits: Tensor, weights: Tensor) -> Tensor:
    """Return the loss of cells. weights: 0 for sound ones, NaN for unknown ones: N×cells."""
    known = (~weights.isnan()).float()
    weights = weights.nan_to_num(0.0)
    is_bad = (weights > 0).float()
    bad, sound = weights * known, (1 - is_bad) * known
    truncated = truncated_l1(logits, bad, sound)
    return truncated + focal_loss(logits, is_bad, bad + sound)


def focal_loss(logits: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean of the focal loss (Lin et al. 2017) without class weights."""
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    share = torch.sigmoid(logits)
    wrong = share * (1 - wanted) + (1 - share) * wanted
    return (entropy * wrong**FOCUS * weights).sum() / weights.sum().clamp(min=1)


@torch.no_grad()
def _settle(network: SuperSimpleNetDetector, task: TrainingTask) -> None:
    """Set the scales of severity from good parts, and from defective ones where there are some."""
    network.scale((0.0, 1.0), (0.0, 1.0))
    scaling = task.good_held_back or task.good
    sides = []
    for pictures in (scaling, tuple(p for p in task.pictures if not p.sample.is_good)):
        title = "measuring the scores of parts"
        sides.append([_logits(network, p) for p in track(pictures, title, len(pictures))])
    good, bad = sides
    pairs = []
    for i in (0, 1):
        middle, unit = scale_of("supersimplenet", [np.asarray(each[i]) for each in good])
        if bad:
            reach = float(np.quantile([np.max(each[i]) for each in bad], PEAKS)) - middle
            unit = max(unit, reach / SEVERITY_MAX)
        pairs.append((middle, unit))
    network.scale(*pairs)


def _logits(
    network: SuperSimpleNetDetector, picture: Picture
) -> tuple[npt.NDArray[np.float32], float]:
    rows, cols = (-(-side // CELL_PX) for side in picture.kind_map.shape)
    cells, part = network.raw_and_part(planes(picture.pixels, network.multiple_px))
    return cells[0, 0, :rows, :cols].numpy(), float(part)


METHOD = Method(train=train, build=build, good_only=True, further=_further, by_name=True)
