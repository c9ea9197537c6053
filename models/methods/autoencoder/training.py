"""Training of the autoencoder: it learns to reconstruct good parts, and not defects.

The network is fully convolutional, so that a frame of any size takes one run. Its input are good
patches with synthetic spots, lines and noise (models/augmentation/corruption.py). It learns to
return the patch without them (docs/decisions/0027).
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
from models.training.fit import Fit, Schedule
from models.training.patches import Picture
from models.training.recipe import Recipe

log = logging.getLogger(__name__)

# Weight of the likelihood of the expected error in the loss; the reconstruction's error has 1.
TRUST_WEIGHT = 0.1
STANDS_OUT = 3.0  # multiple of the expected error at which a cell is as likely defective as good
SOUND_GREY = 1.0  # deviation in grey levels, beyond the noise, above which a cell is corrupted


class GoodPatches:
    """Batches of patches of good parts. Batch number i depends on the recipe's seed and i only.

    multiple_px: of the network. A station reflects a frame at the right and at the bottom up to
    this multiple, so patches at the rim are reflected in the same way.
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
        self._corruption = Corruption(options.synthetic_share, options.noise_sigma)

    def batch(self, step: int) -> Pair:
        """Return the patches for the input and for the wanted output, uint8 N×C×h×w."""
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
    """Return pixels and kinds, reflected up to a multiple."""
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
    """Train the autoencoder. Raises DataError without a picture of a good part."""
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
            yield normalise(task.device.place(given)), normalise(task.device.place(wanted))

    schedule = Schedule(
        options.steps,
        options.learning_rate,
        options.weight_decay,
        options.ema,
        task.device.with_precision(options.precision),
        options.rounded_share,
    )
    fit = Fit(network, loss, schedule, task.checkpoint, "autoencoder")
    trained = fit.run(batches)
    assert isinstance(trained, Autoencoder)
    scaling = task.good_held_back
    if not scaling:
        log.warning("autoencoder: no good part is held back; training pictures set the scale")
        scaling = task.good
    unit = severity_unit([float(severity_map(trained, p.pixels).max()) for p in scaling])
    log.info("autoencoder unit=%.4g good parts=%s", unit, len(scaling))
    trained.set_unit(unit)
    return TrainedMethod(trained, fit.history)


def restoration_loss(
    network: Autoencoder, outputs: Tensor, clean: Tensor, options: AutoencoderRecipe
) -> Tensor:
    """Return the loss: reconstruction error, likelihood of the expected error, and discrimination.

    outputs: of the network in training mode. clean: N×C×H×W, normalised. The expected error learns
    only from cells that were not corrupted. Otherwise it would expect an error at a defect and hide
    it. The third term makes synthetic defects stand out in the error as a multiple of the expected
    one, as the station computes it. It is the binary cross entropy of the odds multiple /
    STANDS_OUT, and its gradient also reaches the reconstruction. DRAEM (Zavrtanik et al. 2021,
    ICCV) uses a second network for this; here the expected error does it.
    """
    made, given, trust = network.parted(outputs)
    wanted = network.split(clean)
    error = made - wanted
    loss: Tensor = error.abs().mean() if options.loss == "l1" else error.square().mean()
    if trust is None:
        return loss
    with torch.no_grad():
        size = network.deviation(error).mean(1, keepdim=True)
        changed = network.deviation(given - wanted).mean(1, keepdim=True)
        sound = changed <= (SOUND_GREY + options.noise_sigma) * PIXEL_SCALE
    likelihood = torch.where(sound, expected_error(trust, size), trust.new_zeros(()))
    loss = loss + TRUST_WEIGHT * likelihood.sum() / sound.sum().clamp(min=1)
    if options.discrimination_weight:
        shown = network.deviation(given - made, trust).mean(1, keepdim=True)
        odds = shown / (LEAST_ERROR * STANDS_OUT)
        discrimination = torch.where(
            sound, torch.log1p(odds), torch.log1p(1 / odds.clamp(min=1e-4))
        )
        loss = loss + options.discrimination_weight * discrimination.mean()
    return loss


METHOD = Method(train=_train, build=_build, good_only=True, by_name=True)
