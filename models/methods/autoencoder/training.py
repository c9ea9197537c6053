"""A convolutional autoencoder of good parts: what it cannot put together again is a defect.

The second source's method (its ConvAutoencoder), fully convolutional so that a frame of any size
is one run, and denoising: it is given good patches with spots, lines and noise set in
(models/augmentation/corruption.py) and has to return what was there before.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from models.augmentation.corruption import Corruption, corrupt
from models.augmentation.crops import Augmentation, augment
from models.data.dataset import DataError, Pixels
from models.methods.autoencoder.network import LEAST_ERROR, Autoencoder, expected_error
from models.methods.base import Method, TrainedMethod, TrainingTask, severity_unit
from models.methods.recipe import AutoencoderRecipe
from models.networks import PIXEL_SCALE, normalise
from models.training.detector import severity_map
from models.training.feed import Pair, feed
from models.training.fit import Fit, Schedule, wants_bfloat16
from models.training.patches import Picture
from models.training.recipe import Recipe

log = logging.getLogger(__name__)

# Of the expected error's likelihood in the loss, beside the reconstruction's own error.
TRUST_WEIGHT = 0.1
STANDS_OUT = 3.0  # times the expected error, from which on a cell is rather a flaw than not
SOUND_GREY = 1.0  # a patch counts as corrupted where it deviates by more, beyond its noise


class GoodPatches:
    """Batches of patches of good parts; number i depends on the recipe's seed and i alone.

    multiple_px: the network's. A station reflects a frame at the right and bottom up to it, and at
    the rim of a patch the network has to know what that looks like.
    """

    def __init__(self, pictures: tuple[Picture, ...], recipe: Recipe, multiple_px: int = 1) -> None:
        options = recipe.autoencoder
        self._pictures = [_reflected(picture, multiple_px) for picture in pictures]
        self._seed, self._options = recipe.seed, options
        self._change = Augmentation(
            flip=options.flip,
            rotate_deg=options.rotate_deg,
            brightness=options.brightness,
            contrast=options.contrast,
            rim_share=options.rim_share,
        )
        self._corruption = Corruption(options.flaw_share, options.noise_sigma)

    def batch(self, step: int) -> Pair:
        """Patches as they are given and as they should come back, uint8 N×C×h×w."""
        rng = np.random.default_rng([self._seed, step])
        size = (self._options.patch_px,) * 2
        given: list[Pixels] = []
        wanted: list[Pixels] = []
        for _ in range(self._options.batch):
            pixels, kinds = self._pictures[rng.integers(len(self._pictures))]
            clean, _ = augment(pixels, kinds, self._change, rng, size)
            for pixels, some in ((corrupt(clean, self._corruption, rng), given), (clean, wanted)):
                some.append(pixels if pixels.ndim == 3 else pixels[:, :, None])
        first, second = (
            torch.from_numpy(np.ascontiguousarray(np.stack(some).transpose(0, 3, 1, 2)))
            for some in (given, wanted)
        )
        return first, second


def _reflected(picture: Picture, multiple_px: int) -> tuple[Pixels, Pixels]:
    """Pixels and kinds, up to a multiple."""
    down, right = (-side % multiple_px for side in picture.kind_map.shape)
    if not (down or right):
        return picture.pixels, picture.kind_map
    pad = ((0, down), (0, right))
    colour = ((0, 0),) * (picture.pixels.ndim - 2)
    return np.pad(picture.pixels, (*pad, *colour), "reflect"), np.pad(picture.kind_map, pad)


def _build(recipe: Recipe, channels: int) -> Autoencoder:
    options = recipe.autoencoder
    return Autoencoder(
        channels,
        reduction=options.reduction,
        width=options.width,
        latent=options.latent,
        depth=options.depth,
        skip=options.skip,
        error_px=options.error_px,
        window_px=options.window_px,
        expected=options.expected,
    )


def _train(task: TrainingTask) -> TrainedMethod:
    """Raises DataError without a picture of a good part."""
    if not task.good:
        raise DataError("no training picture is of a good part; the autoencoder learns from these")
    options = task.recipe.autoencoder
    torch.manual_seed(task.recipe.seed)
    network = _build(task.recipe, task.channels)
    source = GoodPatches(task.good, task.recipe, network.multiple_px)

    def loss(outputs: Tensor, clean: Tensor) -> Tensor:
        return restoration_loss(network, outputs, clean, options)

    def batches(first: int, last: int) -> Iterator[Pair]:
        for given, wanted in feed(source.batch, first, last):
            yield normalise(given), normalise(wanted)

    schedule = Schedule(
        options.steps,
        options.learning_rate,
        options.weight_decay,
        options.ema,
        wants_bfloat16(options.precision),
        options.rounded_share,
    )
    fit = Fit(network, loss, schedule, task.checkpoint, "autoencoder")
    trained = fit.run(batches)
    assert isinstance(trained, Autoencoder)
    shown = task.good_held_back
    if not shown:
        log.warning("autoencoder: no good part is held back; the scale is of those trained on")
        shown = task.good
    unit = severity_unit([float(severity_map(trained, p.pixels).max()) for p in shown])
    log.info("autoencoder unit=%.4g good parts=%s", unit, len(shown))
    trained.set_unit(unit)
    return TrainedMethod(trained, fit.history)


def restoration_loss(
    network: Autoencoder, outputs: Tensor, clean: Tensor, options: AutoencoderRecipe
) -> Tensor:
    """How far the reconstruction is from the clean patch, how well that was expected, and how well
    the flaws that were set in stand out.

    outputs: of the network in training mode. clean: N×C×H×W, normalised. The expectation learns
    from what was not corrupted: else it would learn to expect an error where a flaw is, and forgive
    it. A flaw stands out by what the station sees, the error as a multiple of the expected one:
    binary cross entropy of the odds multiple / STANDS_OUT, whose gradient reaches the
    reconstruction too. That a second network learns to tell flaws from their repair is DRAEM's
    (Zavrtanik et al. 2021, ICCV); here the expected error has to do it.
    """
    made, seen, trust = network.parted(outputs)
    wanted = network.split(clean)
    error = made - wanted
    loss: Tensor = error.abs().mean() if options.loss == "l1" else error.square().mean()
    if trust is None:
        return loss
    with torch.no_grad():
        size = network.deviation(error).mean(1, keepdim=True)
        changed = network.deviation(seen - wanted).mean(1, keepdim=True)
        sound = changed <= (SOUND_GREY + options.noise_sigma) * PIXEL_SCALE
    likelihood = torch.where(sound, expected_error(trust, size), torch.zeros(()))
    loss = loss + TRUST_WEIGHT * likelihood.sum() / sound.sum().clamp(min=1)
    if options.judge_weight:
        shown = network.deviation(seen - made, trust).mean(1, keepdim=True)
        odds = shown / (LEAST_ERROR * STANDS_OUT)
        judged = torch.where(sound, torch.log1p(odds), torch.log1p(1 / odds.clamp(min=1e-4)))
        loss = loss + options.judge_weight * judged.mean()
    return loss


METHOD = Method(train=_train, build=_build, good_only=True)
