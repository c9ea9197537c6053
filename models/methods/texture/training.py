"""Training of the texture network on good parts.

Texture statistics of blocks are scaled and reduced to principal components. An isolation forest or
a one-class support vector machine is fitted to the result.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.data.dataset import DataError, as_channels
from models.methods.base import Method, TrainedMethod, TrainingTask, severity_unit
from models.methods.texture.network import TextureDetector
from models.methods.texture.outliers import fit_forest, fit_support
from models.networks import DetectorNetwork, normalise
from models.training.patches import Picture
from models.training.recipe import Recipe

log = logging.getLogger(__name__)

# Least spread of a feature, a share of pixels or grey levels. Without it a pattern that good parts
# hardly ever show would weigh a thousand times as much as the others.
_LEAST_SPREAD = 1e-3


@torch.no_grad()
def _train(task: TrainingTask) -> TrainedMethod:
    """Train the texture network. Raises DataError without a good part or without texture."""
    options = task.recipe.texture
    good = task.good
    if not good:
        raise DataError(
            "no training picture shows a good part; the method texture learns from these"
        )
    network = TextureDetector(options, task.channels).eval()
    blocks = Blocks(good, task.channels, network, options.blocks, task.recipe.seed)

    reduction = network.reduction
    features = blocks.of(network.features)
    reduction.mean = torch.from_numpy(features.mean(0, dtype=np.float64).astype(np.float32))
    spread = features.std(0, dtype=np.float64).clip(_LEAST_SPREAD)
    reduction.spread = torch.from_numpy(spread.astype(np.float32))
    scaled = blocks.of(lambda x: reduction.scaled(network.features(x)))
    if not scaled.std(0).any():
        raise DataError("every block of the good parts is the same; expected some texture")
    from sklearn.decomposition import PCA  # half a second; no other method needs it

    pca = PCA(_components(options.components, scaled.shape), svd_solver="full").fit(scaled)
    reduction.centre = torch.from_numpy(pca.mean_.astype(np.float32))
    reduction.components = torch.from_numpy(pca.components_.astype(np.float32))
    vectors = pca.transform(scaled).astype(np.float32)
    log.info(
        "texture blocks=%s features=%s components=%s explained=%.3f",
        *scaled.shape,
        vectors.shape[1],
        pca.explained_variance_ratio_.sum(),
    )
    if options.model == "forest":
        network.novelty = fit_forest(
            vectors, trees=options.trees, samples=options.samples, seed=task.recipe.seed
        )
    else:
        network.novelty = fit_support(vectors, nu=options.nu, gamma=options.gamma)
        log.info("texture support vectors=%s", len(network.novelty.vectors))
    calibrate(network, blocks.of(network.score), task.good_held_back or good, task.channels)
    return TrainedMethod(network)


class Blocks:
    """A fixed choice of `count` blocks of good pictures, equally many of each picture.

    Their places depend on the seed and the sizes of the pictures only.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        channels: int,
        network: TextureDetector,
        count: int,
        seed: int,
    ) -> None:
        # If there are more pictures than blocks, pictures are left out evenly.
        step = -(-len(pictures) // count)
        self._pictures = pictures[::step]
        self._channels, self._network, self._seed = channels, network, seed
        self._each = -(-count // len(self._pictures))

    def of(self, describe: Callable[[Tensor], Tensor]) -> npt.NDArray[np.float32]:
        """Return the description of each block, N×F. describe: pixels 1×C×H×W → 1×F×h×w."""
        chosen = []
        for index, picture in enumerate(self._pictures):
            described = describe(_planes(picture, self._channels, self._network.multiple_px))
            described = described.flatten(2)[0].T
            rng = np.random.default_rng([self._seed, index])
            places = np.sort(rng.permutation(len(described))[: self._each])
            chosen.append(described.numpy()[places])
        return np.concatenate(chosen)


def calibrate(
    network: TextureDetector,
    scores: npt.NDArray[np.float32],
    good: Sequence[Picture],
    channels: int,
) -> None:
    """Set the scale of severity in the network: 0 is the median score of good blocks."""
    network.base = torch.tensor(float(np.median(scores)))
    network.unit = torch.tensor(1.0)
    peaks = [
        float(network(_planes(picture, channels, network.multiple_px)).max()) for picture in good
    ]
    try:
        network.unit = torch.tensor(severity_unit(peaks))
    except ValueError as error:
        raise DataError(f"texture: {error}") from error
    log.info("texture base=%.4g unit=%.4g", network.base, network.unit)


def _planes(picture: Picture, channels: int, multiple: int) -> Tensor:
    """Return normalised pixels 1×C×H×W, reflected up to the multiple, as on a station."""
    pixels = as_channels(picture.pixels, channels)
    down, right = (-side % multiple for side in pixels.shape[:2])
    pixels = pixels.reshape(*pixels.shape[:2], channels)
    padded = np.pad(pixels, ((0, down), (0, right), (0, 0)), mode="reflect")
    planes = np.ascontiguousarray(padded.transpose(2, 0, 1)[None])
    return normalise(torch.from_numpy(planes))


def _components(wanted: float, shape: tuple[int, ...]) -> int | float:
    """Return the argument of scikit-learn's PCA: a share of the variance, or a possible count."""
    return wanted if wanted < 1 else min(int(wanted), *shape)


def _build(recipe: Recipe, channels: int) -> DetectorNetwork:
    return TextureDetector(recipe.texture, channels)


METHOD = Method(train=_train, build=_build, good_only=True, formats=("onnx",), int8=False)
