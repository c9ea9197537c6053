"""Training of the ensemble: its student, its bank, and equal scales for the members."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from models.data.dataset import DataError
from models.methods.base import Method, TrainedMethod, TrainingTask, severity_unit
from models.methods.cell_features import planes
from models.methods.ensemble.network import VALUES, EnsembleDetector
from models.methods.frozen_backbone import require_good
from models.methods.patchcore import training as patchcore
from models.methods.patchcore.network import STRIDES_PX
from models.methods.reverse_distillation import training as reverse_distillation
from models.methods.reverse_distillation.network import ReverseDistillationDetector
from models.training.patches import Picture
from models.training.progress import track
from models.training.recipe import Recipe

log = logging.getLogger(__name__)

BANK = VALUES.index("bank")  # the contrasts are behind it
REACH = 0.98  # quantile of the peaks of good parts that is one unit above the median
LEAST_REACH = 0.02  # least unit, as a share of the median peak
LEAST_GREY = 1.0  # least unit of a contrast: good parts may have no darker or no brighter place


def train(task: TrainingTask) -> TrainedMethod:
    """Train the members, and scale them. Block as long as for its student and its bank.

    A student that is trained already on the same pictures (``task.trained``) is taken. Raises
    DataError as the methods `reverse-distillation` and `patchcore` do.
    """
    require_good(task.good)
    known = task.trained.get("reverse-distillation")
    student = TrainedMethod(known) if known is not None else reverse_distillation.train(task)
    assert isinstance(student.detector, ReverseDistillationDetector)
    network = EnsembleDetector(task.channels, copy.deepcopy(student.detector)).eval()
    bank = _with_coarse_bank(task)
    network.remember(patchcore.choose_vectors(bank, network.student.backbone))
    _settle(network, task)
    return TrainedMethod(network, student.loss)


def build(recipe: Recipe, channels: int) -> EnsembleDetector:
    student = reverse_distillation.build(recipe, channels)
    return EnsembleDetector(channels, student, recipe.patchcore.vectors)


def _with_coarse_bank(task: TrainingTask) -> TrainingTask:
    """Return the task with the cells of the bank, whatever the recipe states for `patchcore`."""
    recipe = task.recipe
    options = recipe.patchcore.model_copy(update={"cell_px": STRIDES_PX[-1]})
    return replace(task, recipe=recipe.model_copy(update={"patchcore": options}))


@torch.no_grad()
def _settle(network: EnsembleDetector, task: TrainingTask) -> None:
    """Scale the values by the peaks of good parts: 1 is the median, and 2 the quantile REACH."""
    scaling = task.good_held_back or task.good
    peaks = torch.stack(_peaks(network, scaling, network.values))
    middles = peaks.quantile(0.5, 0)
    units = peaks.quantile(REACH, 0) - middles
    units = torch.maximum(units, LEAST_REACH * middles.abs())
    units[BANK + 1 :].clamp_(min=LEAST_GREY)
    length = float(network.bank[:-1].norm(dim=0).mean())
    if float(peaks[:, BANK].max()) <= patchcore.ROUNDING * length:
        raise DataError("method ensemble: all pictures look alike; expected different good parts")
    for name, middle, unit in zip(VALUES, middles.tolist(), units.tolist(), strict=True):
        log.info("ensemble %s good parts median=%.2f unit=%.2f", name, middle, unit)
    network.scale(middles, units)
    means = [float(peak) for peak in _peaks(network, scaling, network.mean)]
    network.gain.fill_(1.0 / severity_unit(means))


def _peaks(
    network: EnsembleDetector, pictures: Sequence[Picture], run: Callable[[Tensor], Tensor]
) -> list[Tensor]:
    """Return the greatest value of each channel of ``run`` on every picture, without its rim."""
    peaks = []
    for picture in track(pictures, "measuring the members on good parts", len(pictures)):
        rows, cols = (-(-side // network.stride_px) for side in picture.kind_map.shape)
        found = run(planes(picture.pixels, network.multiple_px))
        peaks.append(found[0, :, :rows, :cols].amax((1, 2)))
    return peaks


METHOD = Method(
    train=train, build=build, good_only=True, formats=("onnx",), builds_on=("reverse-distillation",)
)
