"""Training of the detector networks, and severity maps of whole pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edge.records import SeverityMap
from models.data.dataset import Pixels
from models.evaluation.metrics import average_precision
from models.evaluation.threshold import search_threshold
from models.networks import (
    SEVERITY_MAX,
    DetectorNetwork,
    build_detector,
    normalise,
)
from models.training.feed import Pair, feed
from models.training.fit import Check, Fit, Schedule, start_from_imagenet, wants_bfloat16
from models.training.losses import cross_entropy_and_overlap, l2
from models.training.patches import PatchSource, Picture, find_truncate
from models.training.recipe import Recipe

log = logging.getLogger(__name__)


def train_detector(
    pictures: tuple[Picture, ...],
    kinds: tuple[str, ...],
    channels: int,
    recipe: Recipe,
    checkpoint: Path,
    held_back: tuple[Picture, ...] = (),
    network: DetectorNetwork | None = None,
) -> tuple[DetectorNetwork, list[tuple[int, float]]]:
    """Train, and return the network in eval mode and the loss by step. Block for minutes.

    A training that was killed continues from its checkpoint. held_back: pictures for the recipe's
    checks. network: a network to train further, in place of the one that the recipe names; it is
    changed.
    """
    torch.manual_seed(recipe.seed)
    options = recipe.detector
    name = options.network if network is None else type(network).__name__
    if network is None:
        network = build_detector(options.network, channels, options.resolution)
    stages, logistic = network.stages, network.logistic
    if options.start is not None:
        start_from_imagenet(network, "detector.start")
    truncate = find_truncate(pictures, options.resolution, recipe.labels)
    log.info("detector network=%s truncate=%.1f", name, truncate)
    source = PatchSource(pictures, kinds, recipe, truncate)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        if stages > 1:
            targets = targets.repeat(stages, 1, 1, 1)
        if logistic:
            return cross_entropy_and_overlap(
                outputs, targets, recipe.labels.floor, hard_weight=options.hard_weight
            )
        return l2(outputs, targets)

    def batch(step: int) -> Pair:
        pixels, targets = source.batch(step)
        return torch.from_numpy(pixels), torch.from_numpy(targets)

    def batches(first: int, last: int) -> Iterator[Pair]:
        for pixels, targets in feed(batch, first, last):
            yield normalise(pixels), targets

    schedule = Schedule(
        options.steps,
        options.learning_rate,
        options.weight_decay,
        options.ema,
        wants_bfloat16(options.precision),
        options.rounded_share,
    )
    check: Check | None = None
    if options.checks:
        every = max(1, options.steps // options.checks)
        check = Check(lambda some: _figure(some, held_back), every, options.patience)
    fit = Fit(network, loss, schedule, checkpoint, f"detector ({name})", check)
    trained = fit.run(batches)
    assert isinstance(trained, DetectorNetwork)
    return trained, fit.history


def _figure(network: nn.Module, pictures: tuple[Picture, ...]) -> float:
    """Return the figure of a check: the mean of the best mean IoU and the image AP."""
    assert isinstance(network, DetectorNetwork)
    maps = [severity_map(network, picture.pixels) for picture in pictures]
    pairs = [
        (SeverityMap(values, 1.0, 0, network.stride_px), picture.kind_map > 0)
        for values, picture in zip(maps, pictures, strict=True)
    ]
    search = search_threshold(pairs)
    ap = average_precision(
        [bool(annotated.any()) for _, annotated in pairs], [float(m.max()) for m in maps]
    )
    return (search.best_iou + ap) / 2


@torch.no_grad()
def severity_map(network: DetectorNetwork, pixels: Pixels) -> npt.NDArray[np.float32]:
    """Return the severity of a whole picture: float32 ceil(H/stride) × ceil(W/stride).

    pixels: uint8 H×W or H×W×3. The picture is reflected up to a multiple of the network's
    multiple_px, as the station does.
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
