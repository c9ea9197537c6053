"""Training of reverse distillation: a student learns to predict a teacher on good parts.

Source: Deng & Li 2022 (CVPR), section 3. The teacher's features are computed once, so a training
step costs only the student (docs/decisions/0046).
"""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.data.dataset import DataError
from models.methods.base import Method, TrainedMethod, TrainingTask, severity_unit
from models.methods.cell_features import Placement, collect_cells, planes, require_defects
from models.methods.frozen_backbone import freeze_backbone, require_good
from models.methods.int8_activations import int8_activations
from models.methods.memory_bank.critic import train_critic
from models.methods.reverse_distillation.features import FLAT, TeacherViews
from models.methods.reverse_distillation.network import ReverseDistillationDetector
from models.methods.reverse_distillation.student import StudentFit
from models.training.patches import Picture
from models.training.recipe import Recipe

log = logging.getLogger(__name__)

LEAST_SIDE_PX = 64  # two cells of the deepest stage
PEAKS = 0.95  # quantile of the peaks of good parts at which all parts of severity are made equal
MOST_WEIGHED = 200  # most good pictures for the weights of these parts
LEAST_REACH = 1e-6
FINE_PART = 0.25  # of the deviations in severity; the rest is that at stride 16


def train(task: TrainingTask) -> TrainedMethod:
    """Train the student. Blocks for about 0.3 s for each step on one core.

    A training that was killed continues from its checkpoint. Raises DataError without the weights
    of ImageNet, without a good part, or for small pictures.
    """
    options, seed = task.recipe.reverse_distillation, task.recipe.seed
    require_good(task.good)
    small = min(task.good, key=lambda picture: min(picture.kind_map.shape))
    if min(small.kind_map.shape) < LEAST_SIDE_PX:
        raise DataError(
            f"{small.sample.name}: is {small.kind_map.shape[1]}×{small.kind_map.shape[0]} px; "
            f"expected at least {LEAST_SIDE_PX} px a side for the method reverse-distillation"
        )
    torch.manual_seed(seed)
    network = task.device.place(build(task.recipe, task.channels).eval())
    freeze_backbone(network, task.good)
    with int8_activations(network.backbone):
        views = TeacherViews(network, task.good, options, seed)
        network.standardise(views.means, views.deviations)
        log.info("reverse-distillation good pictures=%s views=%s", len(task.good), len(views))
        loss = StudentFit(network, views, task).run()
        critics = _add_critics(network, task)
    network.cpu()
    _settle(network, critics, task)
    return TrainedMethod(network, loss)


def build(recipe: Recipe, channels: int) -> ReverseDistillationDetector:
    options = recipe.reverse_distillation
    return ReverseDistillationDetector(
        channels,
        backbone=options.backbone,
        width=options.width,
        bottleneck=options.bottleneck,
        units=options.units,
    )


def _add_critics(
    network: ReverseDistillationDetector, task: TrainingTask
) -> list[tuple[str, Tensor]]:
    """Train two critics with synthetic defects, on deviations and on features, and set them.

    Return each with its weights on the network's hidden units.
    """
    options, seed = task.recipe.reverse_distillation, task.recipe.seed
    deviation = torch.cat(network.mean_deviations())
    surface = collect_cells(
        network,
        task.good,
        synthetic_pictures=options.synthetic_pictures,
        most_cells=options.cells,
        seed=seed,
        placement=Placement(rank=lambda features: features @ deviation, on_structure=True),
    )
    require_defects(surface)
    half = options.units // 2
    weight, bias = torch.zeros(options.units, network.features), torch.zeros(options.units)
    outputs: list[tuple[str, Tensor]] = []
    is_dev = torch.cat([network.is_deviation(0), network.is_deviation(1)])
    for i, (name, columns) in enumerate((("deviations", is_dev), ("features", ~is_dev))):
        features = surface.features[:, columns]
        mean, spread = (
            surface.good[:, columns].mean(0),
            surface.good[:, columns].std(0, correction=0) + FLAT,
        )
        first, last, _ = train_critic(
            (features - mean) / spread, surface.defective, half, options.critic_steps, seed + i
        )
        rows = slice(i * half, (i + 1) * half)
        weight[rows, columns] = first.weight / spread
        bias[rows] = first.bias - (first.weight / spread) @ mean
        output = torch.zeros(2 + options.units)
        output[2:][rows] = last.weight[0]
        outputs.append((f"critic of {name}", output))
    network.set_hidden(weight, bias)
    return outputs


def _settle(
    network: ReverseDistillationDetector, critics: list[tuple[str, Tensor]], task: TrainingTask
) -> None:
    """Weight the parts of severity so that the peaks of good parts are equal, and set the scale."""
    share = task.recipe.reverse_distillation.critic
    parts = [
        (name, _only(i, network.units), part * (1.0 - share))
        for i, (name, part) in enumerate((("fine", FINE_PART), ("coarse", 1.0 - FINE_PART)))
    ]
    parts += [(name, output, share / len(critics)) for name, output in critics]
    scaling = task.good_held_back or task.good
    pictures = (*scaling, *task.good)[:MOST_WEIGHED]
    outputs = torch.stack([output for _, output, _ in parts])
    scores = [_scores(network, outputs, picture) for picture in pictures]
    total, middles, weights = torch.zeros(outputs.shape[1]), [], []
    for i, (name, output, part) in enumerate(parts):
        some = [each[i] for each in scores]
        middle = float(np.median([np.median(values) for values in some]))
        reach = float(np.quantile([values.max() for values in some], PEAKS)) - middle
        log.info("reverse-distillation %s good parts reach=%.3f", name, reach)
        middles.append(middle)
        weights.append(part / max(reach, LEAST_REACH))
        total += output * weights[-1]
    peaks = [float(np.max(np.asarray(weights) @ (s - np.array(middles)[:, None]))) for s in scores]
    try:
        unit = severity_unit(peaks[: len(scaling)])
    except ValueError as error:
        raise DataError(f"method reverse-distillation: all pictures look alike: {error}") from error
    network.weigh(total / unit, -float(np.dot(weights, middles)) / unit)


def _only(index: int, units: int) -> Tensor:
    chosen = torch.zeros(2 + units)
    chosen[index] = 1.0
    return chosen


@torch.no_grad()
def _scores(
    network: ReverseDistillationDetector, outputs: Tensor, picture: Picture
) -> npt.NDArray[np.float64]:
    """Return each part of severity for each cell: float64 parts×cells. outputs: parts×units."""
    rows, cols = (-(-side // network.stride_px) for side in picture.kind_map.shape)
    hidden = network.units_of(planes(picture.pixels, network.multiple_px))[0, :, :rows, :cols]
    return np.asarray((outputs @ hidden.flatten(1)).double().numpy(), np.float64)


METHOD = Method(train=train, build=build, good_only=True)
