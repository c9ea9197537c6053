"""Train the detector and read severity maps from it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.data.dataset import Pixels
from models.fit import Fit, Schedule, wants_bfloat16
from models.networks import (
    SEVERITY_MAX,
    LeanDetector,
    PaperDetector,
    build_detector,
    normalise,
)
from models.patches import PatchSource, Picture, find_truncate, prefetch
from models.recipe import Recipe

log = logging.getLogger(__name__)


def train_detector(
    pictures: tuple[Picture, ...],
    kinds: tuple[str, ...],
    channels: int,
    recipe: Recipe,
    checkpoint: Path,
) -> tuple[PaperDetector | LeanDetector, list[tuple[int, float]]]:
    """The trained network in eval mode, and the loss by step. Blocks for minutes; resumable."""
    torch.manual_seed(recipe.seed)
    options = recipe.detector
    network = build_detector(options.network, channels, options.resolution)
    truncate = find_truncate(pictures, options.resolution, recipe.labels)
    log.info("detector network=%s truncate=%.1f", options.network, truncate)
    source = PatchSource(pictures, kinds, recipe, truncate)
    weight = options.positive_weight

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        # He & Liu 2020, III.B.1: L2 on severity; positive_weight 1 is the paper's.
        error = (outputs - targets) ** 2
        return (
            (error * torch.where(targets > 0, weight, 1.0)).mean() if weight != 1 else error.mean()
        )

    def batches(first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        for pixels, targets in prefetch(source, first, last):
            yield normalise(torch.from_numpy(pixels)), torch.from_numpy(targets)

    schedule = Schedule(
        options.steps,
        options.learning_rate,
        options.weight_decay,
        options.ema,
        wants_bfloat16(options.precision),
    )
    fit = Fit(network, loss, schedule, checkpoint, f"detector ({options.network})")
    trained = fit.run(batches)
    assert isinstance(trained, (PaperDetector, LeanDetector))
    return trained, fit.history


@torch.no_grad()
def severity_map(network: PaperDetector | LeanDetector, pixels: Pixels) -> npt.NDArray[np.float32]:
    """Severity of a whole picture, uint8 H×W or H×W×3 → float32 ceil(H/stride) × ceil(W/stride).

    The picture is reflected up to the network's multiple, as the station's tiles are.
    """
    height, width = pixels.shape[:2]
    multiple = network.multiple_px
    down, right = -height % multiple, -width % multiple
    pad = ((0, down), (0, right)) + ((0, 0),) * (pixels.ndim - 2)
    padded = np.pad(pixels, pad, mode="reflect")
    planes = padded[None, None] if pixels.ndim == 2 else padded.transpose(2, 0, 1)[None]
    severity = network(normalise(torch.from_numpy(np.ascontiguousarray(planes))))[0, 0]
    stride = network.stride_px
    cells = severity[: -(-height // stride), : -(-width // stride)]
    return np.asarray(cells.clamp(0, SEVERITY_MAX).numpy(), np.float32)
