"""Training of reverse distillation: a student learns to predict a teacher on good parts.

Source: Deng & Li 2022 (CVPR), section 3. The teacher's features are computed once, so a training
step costs only the student (docs/decisions/0046).
"""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.data.dataset import DataError
from models.methods.base import Method, TrainedMethod, TrainingTask, severity_unit
from models.methods.cell_features import planes
from models.methods.channel_equalisation import equalise, widen
from models.methods.recipe import ReverseDistillationRecipe
from models.methods.reverse_distillation.features import TeacherViews
from models.methods.reverse_distillation.network import ReverseDistillationDetector
from models.training.fit import start_from_imagenet
from models.training.int8_rounding import round_weights
from models.training.patches import Picture
from models.training.progress import track
from models.training.recipe import Recipe

log = logging.getLogger(__name__)

LEAST_SIDE_PX = 64  # two cells of the deepest stage
PEAKS = 0.95  # quantile of the peaks of good parts at which both strides are made equal
MOST_EQUALISED = 100  # most good pictures for the measurement of channels
MOST_WEIGHED = 200  # most good pictures for the weights of the strides
LEAST_REACH = 1e-6
WEIGHT_DECAY = 1e-4
LOG_EVERY = 50  # steps


def train(task: TrainingTask) -> TrainedMethod:
    """Train the student. Blocks for about 0.3 s for each step on one core.

    Raises DataError without the weights of ImageNet, without a good part, or for small pictures.
    """
    options, seed = task.recipe.reverse_distillation, task.recipe.seed
    if not task.good:
        raise DataError("no training picture is of a good part; expected ten or more")
    small = min(task.good, key=lambda picture: min(picture.kind_map.shape))
    if min(small.kind_map.shape) < LEAST_SIDE_PX:
        raise DataError(
            f"{small.sample.name}: is {small.kind_map.shape[1]}×{small.kind_map.shape[0]} px; "
            f"expected at least {LEAST_SIDE_PX} px a side for the method reverse-distillation"
        )
    torch.manual_seed(seed)
    network = build(task.recipe, task.channels).eval()
    start_from_imagenet(network, "method")
    for step in (equalise, widen):
        some = (planes(p.pixels, network.multiple_px) for p in task.good[:MOST_EQUALISED])
        step(network.backbone, some)
    round_weights(network.backbone)
    network.backbone.requires_grad_(False)
    views = TeacherViews(network, task.good, options, seed)
    network.standardise(views.means, views.deviations)
    log.info("reverse-distillation good pictures=%s views=%s", len(task.good), len(views))
    loss = _fit(network, views, options)
    _settle(network, task)
    return TrainedMethod(network, loss)


def build(recipe: Recipe, channels: int) -> ReverseDistillationDetector:
    options = recipe.reverse_distillation
    return ReverseDistillationDetector(channels, width=options.width, bottleneck=options.bottleneck)


def _fit(
    network: ReverseDistillationDetector, views: TeacherViews, options: ReverseDistillationRecipe
) -> list[tuple[int, float]]:
    """Train the student by the mean squared error of its predictions. Return the loss by step."""
    student: list[nn.Module] = [network.enter, network.coarse, network.narrow, network.fine]
    parameters = [p for module in student for p in module.parameters()]
    parameters += [p for each in network.comparisons for p in each.predict.parameters()]
    optimiser = torch.optim.AdamW(parameters, options.learning_rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.learning_rate, total_steps=options.steps + 1
    )
    for module in student:
        module.train()
    losses: list[tuple[int, float]] = []
    batches = views.batches(options.steps, options.batch, options.crop_px)
    for step, crops in enumerate(track(batches, "training the student", options.steps), start=1):
        *known, deep = crops
        pairs = zip(network.predict(deep), known, strict=True)
        error = torch.stack([functional.mse_loss(*pair) for pair in pairs]).sum()
        optimiser.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if step % LOG_EVERY == 0 or step == options.steps:
            losses.append((step, error.item()))
            log.info("reverse-distillation step=%s loss=%.3f", step, error.item())
    network.eval()
    return losses


def _settle(network: ReverseDistillationDetector, task: TrainingTask) -> None:
    """Weight both strides so that the peaks of good parts are equal, and set the scale."""
    network.weigh(1.0, 1.0, 0.0)
    scaling = task.good_held_back or task.good
    scores = [_deviations(network, picture) for picture in (*scaling, *task.good)[:MOST_WEIGHED]]
    middles, weights = np.zeros(2), np.zeros(2)
    for i, stride_px in enumerate((8, 16)):
        some = [each[i] for each in scores]
        middles[i] = np.median([np.median(values) for values in some])
        reach = float(np.quantile([values.max() for values in some], PEAKS)) - middles[i]
        log.info("reverse-distillation stride_px=%s good parts reach=%.3f", stride_px, reach)
        weights[i] = 1.0 / max(reach, LEAST_REACH)
    peaks = [float(((each - middles[:, None]).T @ weights).max()) for each in scores]
    try:
        weights /= severity_unit(peaks[: len(scaling)])
    except ValueError as error:
        raise DataError(f"method reverse-distillation: all pictures look alike: {error}") from error
    network.weigh(float(weights[0]), float(weights[1]), float(-middles @ weights))


@torch.no_grad()
def _deviations(
    network: ReverseDistillationDetector, picture: Picture
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the deviations of each cell at strides 8 and 16: float64 2×cells."""
    rows, cols = (-(-side // network.stride_px) for side in picture.kind_map.shape)
    fine, coarse = network.deviations(planes(picture.pixels, network.multiple_px))
    coarse = functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
    maps = [each[0, 0, :rows, :cols].flatten().double().numpy() for each in (fine, coarse)]
    return np.stack(maps)


METHOD = Method(train=train, build=build, good_only=True)
