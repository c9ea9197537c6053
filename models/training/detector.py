"""Training of the detector networks, and severity maps of whole pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edge.records import SeverityMap
from models.data.dataset import Pixels
from models.distillation.student import DistilledNetwork
from models.distillation.teacher import Guide
from models.evaluation.metrics import average_precision
from models.evaluation.threshold import search_threshold
from models.networks import (
    SEVERITY_MAX,
    DetectorNetwork,
    ReducedDetector,
    build_detector,
    normalise,
)
from models.training.device import CPU, TrainingDevice, device_of
from models.training.feed import Pair, feed
from models.training.fit import Check, Fit, Schedule, start_from_imagenet
from models.training.losses import cross_entropy_and_overlap, l2, whole_picture, without_unknown
from models.training.patches import (
    UNKNOWN,
    Batch,
    PatchSource,
    Picture,
    find_truncate,
    set_t_by,
    severity_target,
)
from models.training.recipe import Recipe
from models.training.whole_pictures import Sampling, WholePictures

log = logging.getLogger(__name__)


def train_detector(
    pictures: tuple[Picture, ...],
    kinds: tuple[str, ...],
    channels: int,
    recipe: Recipe,
    checkpoint: Path,
    held_back: tuple[Picture, ...] = (),
    network: DetectorNetwork | None = None,
    guide: Guide | None = None,
    device: TrainingDevice = CPU,
) -> tuple[DetectorNetwork, list[tuple[int, float]]]:
    """Train, and return the network in eval mode and the loss by step. Block for minutes.

    A training that was killed continues from its checkpoint. held_back: pictures for the recipe's
    checks. network: a network to train further, in place of the one that the recipe names; it is
    changed. guide: a teacher beside the labels. device: with the precision of the recipe. Raises
    DataError where the network cannot learn from the guide.
    """
    torch.manual_seed(recipe.seed)
    options = recipe.detector
    name = options.network if network is None else type(network).__name__
    if network is None:
        network = build_detector(
            options.network, channels, options.resolution, decision=options.decision
        )
    if options.start is not None:
        start_from_imagenet(network, "detector.start")
    steps = _steps_of(network, pictures, kinds, recipe)
    log.info("detector network=%s truncate=%.1f", name, steps.truncate)
    student, fitted = network, network
    if guide is not None:
        fitted = DistilledNetwork(network, guide.teacher)
        steps = _with_undrawn(steps, guide.undrawn, len(pictures), recipe)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        if guide is None:
            return _loss(student, outputs, targets, recipe)
        labels = _loss(student, outputs[:, :1], targets, recipe)
        return labels + options.distil_weight * outputs[:, 1:].mean()

    def batches(first: int, last: int) -> Iterator[Pair]:
        for pixels, targets in feed(steps.batch, first, last):
            yield normalise(device.place(pixels)), targets

    schedule = Schedule(
        options.steps,
        options.learning_rate,
        options.weight_decay,
        options.ema,
        device.with_precision(options.precision),
        options.rounded_share,
    )
    check: Check | None = None
    if options.checks:
        every = max(1, options.steps // options.checks)
        check = Check(lambda some: _figure(some, held_back), every, options.patience)
    fit = Fit(fitted, loss, schedule, checkpoint, f"detector ({name})", check)
    trained = fit.run(batches)
    if isinstance(trained, DistilledNetwork):
        trained = trained.student
    assert isinstance(trained, DetectorNetwork)
    return trained, fit.history


class _Undrawn:
    """Batches of patches of which no cell is known: the labels cost nothing."""

    def __init__(self, patches: PatchSource) -> None:
        self._patches = patches

    def batch(self, step: int) -> Batch:
        pixels, targets = self._patches.batch(step)
        return pixels, np.full_like(targets, UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Steps:
    """The batch of each step: patches, or those of another source in ``share`` of the steps.

    truncate: λ of the labels. patches: None where no picture has a mask. other: whole pictures for
    a network with a decision head, pictures without masks for a student, else None.
    """

    truncate: float
    patches: PatchSource | None
    other: WholePictures | _Undrawn | None
    share: float

    def batch(self, step: int) -> Pair:
        # Evenly spread: with 0.5 every second step, so that a checkpoint may lie anywhere.
        turn = int((step + 1) * self.share) > int(step * self.share)
        source = self.other if turn or self.patches is None else self.patches
        assert source is not None
        pixels, targets = source.batch(step)
        return torch.from_numpy(pixels), torch.from_numpy(targets)


def _steps_of(
    network: DetectorNetwork, pictures: tuple[Picture, ...], kinds: tuple[str, ...], recipe: Recipe
) -> _Steps:
    """Return the batches of a training. Patches are cut from pictures that are drawn completely."""
    drawn = tuple(picture for picture in pictures if not picture.sample.unmasked)
    has_masks = any(not picture.sample.is_good for picture in drawn)
    options = recipe.detector
    if not network.decides:
        truncate = find_truncate(drawn, options.resolution, recipe.labels)
        return _Steps(truncate, PatchSource(drawn, kinds, recipe, truncate), None, 0.0)
    assert isinstance(network, ReducedDetector)
    assert network.decision is not None
    # Božič et al. 2021: where masks teach the features, the decision does not change them.
    network.decision.is_cut = len(drawn) == len(pictures)
    truncate = find_truncate(drawn, options.resolution, recipe.labels) if has_masks else 1.0
    sampling = Sampling(
        recipe.seed,
        options.batch,
        options.patch_px,
        recipe.augment.options(centre_on_defect=False),
    )

    def label(pixels: Pixels, kind_map: Pixels) -> npt.NDArray[np.float32]:
        return severity_target(pixels, kind_map, options.resolution, recipe.labels, truncate)

    whole = WholePictures(pictures, sampling, label, network.multiple_px, sound_is_known=has_masks)
    if not has_masks:
        network.silence_map()
        return _Steps(truncate, None, whole, 1.0)
    patches = PatchSource(drawn, kinds, recipe, truncate)
    return _Steps(truncate, patches, whole, options.decision_share)


def _with_undrawn(
    steps: _Steps, undrawn: tuple[Picture, ...], drawn: int, recipe: Recipe
) -> _Steps:
    """Return steps of which a share, that of the pictures, is on pictures without masks."""
    if not undrawn:
        return steps
    source = _Undrawn(PatchSource(undrawn, (), recipe, steps.truncate))
    return replace(steps, other=source, share=len(undrawn) / (len(undrawn) + drawn))


def _loss(network: DetectorNetwork, outputs: Tensor, targets: Tensor, recipe: Recipe) -> Tensor:
    """Return the loss of a step: of patches (targets N×1×h×w), or of whole pictures (N×cells)."""
    options, floor = recipe.detector, recipe.labels.floor
    if targets.dim() == 2:
        return whole_picture(
            outputs,
            targets,
            floor,
            hard_weight=options.hard_weight,
            decision_weight=options.decision_weight,
        )
    if network.decides:
        outputs = outputs[:, :-1].reshape(targets.shape)
    if network.stages > 1:
        targets = targets.repeat(network.stages, 1, 1, 1)
    outputs, targets = without_unknown(outputs, targets, logistic=network.logistic)
    if network.logistic:
        return cross_entropy_and_overlap(outputs, targets, floor, hard_weight=options.hard_weight)
    return l2(outputs, targets)


def _figure(network: nn.Module, pictures: tuple[Picture, ...]) -> float:
    """Return the figure of a check: the mean of the best mean IoU and the image AP.

    The AP is that of the part's score where the network has one. Without a mask it counts alone.
    """
    assert isinstance(network, DetectorNetwork)
    maps = [severity_and_score(network, picture.pixels) for picture in pictures]
    drawn = {id(picture) for picture in set_t_by(pictures)}
    ap = average_precision(
        [not picture.sample.is_good for picture in pictures],
        [float(m.max()) if score is None else score for m, score in maps],
    )
    pairs = [
        (SeverityMap(values, 1.0, 0, network.stride_px), picture.kind_map > 0)
        for (values, _), picture in zip(maps, pictures, strict=True)
        if not picture.sample.unmasked and id(picture) in drawn
    ]
    if not any(annotated.any() for _, annotated in pairs):
        return ap
    return (search_threshold(pairs).best_iou + ap) / 2


def severity_map(network: DetectorNetwork, pixels: Pixels) -> npt.NDArray[np.float32]:
    """Return the severity of a whole picture: float32 ceil(H/stride) × ceil(W/stride)."""
    return severity_and_score(network, pixels)[0]


@torch.no_grad()
def severity_and_score(
    network: DetectorNetwork, pixels: Pixels
) -> tuple[npt.NDArray[np.float32], float | None]:
    """Return the severity of a whole picture, and the score of the part where there is one.

    The map is float32 ceil(H/stride) × ceil(W/stride), both are 0 to 12. pixels: uint8 H×W or
    H×W×3. The picture is reflected up to a multiple of the network's multiple_px, as the station
    does. It runs on the network's device.
    """
    height, width = pixels.shape[:2]
    multiple = network.multiple_px
    down, right = -height % multiple, -width % multiple
    pad = ((0, down), (0, right)) + ((0, 0),) * (pixels.ndim - 2)
    padded = np.pad(pixels, pad, mode="reflect")
    planes = padded[None, None] if pixels.ndim == 2 else padded.transpose(2, 0, 1)[None]
    stride = network.stride_px
    plane = padded.shape[0] // stride, padded.shape[1] // stride
    inputs = torch.from_numpy(np.ascontiguousarray(planes)).to(device_of(network))
    values = network(normalise(inputs)).flatten()
    severity = np.asarray(values.clamp(0, SEVERITY_MAX).cpu().numpy(), np.float32)
    count = plane[0] * plane[1]
    cells = severity[:count].reshape(plane)[: -(-height // stride), : -(-width // stride)]
    return cells, float(severity[count]) if network.decides else None
