"""The texture network: statistics of each block, scaling, principal components, outlier score.

It is one network from uint8 pixels to severity, with an answer for each block.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.methods.recipe import TextureRecipe
from models.methods.texture.features import TextureFeatures
from models.methods.texture.outlier_network import IsolationForest, OneClassSupport, ResizableModule
from models.networks.base import DetectorNetwork

# Least spread of a feature within a picture, in spreads of good parts: the noise of a plain picture
# is not a texture.
_LEAST_SPREAD = 0.25


class Reduction(ResizableModule):
    """The projection of features on principal components. N×F×h×w → N×K×h×w.

    The features are scaled by mean and spread of good parts (StandardScaler). within_picture: then
    also by mean and spread of the picture itself, so that a block is compared with the rest of its
    part. Light and the type of surface then do not count as unusual.
    """

    def __init__(self, features: int, *, within_picture: bool) -> None:
        super().__init__()
        self.within_picture = within_picture
        self.mean: Tensor
        self.spread: Tensor
        self.components: Tensor
        self.centre: Tensor
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        self.register_buffer("components", torch.eye(features))
        self.register_buffer("centre", torch.zeros(features))

    def scaled(self, features: Tensor) -> Tensor:
        x = (features - self.mean[:, None, None]) / self.spread[:, None, None]
        if self.within_picture:
            x = x - x.mean((2, 3), keepdim=True)
            x = x / (x.square().mean((2, 3), keepdim=True).sqrt() + _LEAST_SPREAD)
        return x

    def forward(self, features: Tensor) -> Tensor:
        weights = self.components[:, :, None, None]
        return functional.conv2d(self.scaled(features) - self.centre[:, None, None], weights)


class TextureDetector(DetectorNetwork):
    """Severity for each cell of step_px, from the statistics of the block_px around it.

    severity = (score - base) / unit. base: score of a usual good block. unit: score of one
    severity. The buffers of an untrained network take the shapes of the state that is loaded.
    """

    def __init__(self, recipe: TextureRecipe, channels: int) -> None:
        super().__init__()
        self.stride_px = self.multiple_px = recipe.step_px
        self.smooth_cells = recipe.smooth_cells
        self.features = TextureFeatures(
            channels,
            block_px=recipe.block_px,
            step_px=recipe.step_px,
            features=recipe.features,
            points=recipe.points,
            radii_px=recipe.radii_px,
            margin=recipe.margin,
            each_channel=recipe.colour == "each",
        )
        self.reduction = Reduction(self.features.count, within_picture=recipe.compare == "picture")
        self.novelty = (
            IsolationForest() if recipe.model == "forest" else OneClassSupport(self.features.count)
        )
        self.base: Tensor
        self.unit: Tensor
        self.register_buffer("base", torch.tensor(0.0))
        self.register_buffer("unit", torch.tensor(1.0))

    def score(self, x: Tensor) -> Tensor:
        """Return the score of the outlier model, N×1×h×w, before smoothing and scaling."""
        reduced = self.reduction(self.features(x))
        batch, count, rows, cols = reduced.shape
        score: Tensor = self.novelty(reduced.permute(0, 2, 3, 1).reshape(-1, count))
        return score.reshape(batch, 1, rows, cols)

    def raw(self, x: Tensor) -> Tensor:
        score = self.score(x)
        if self.smooth_cells > 1:
            score = functional.avg_pool2d(
                score,
                self.smooth_cells,
                stride=1,
                padding=self.smooth_cells // 2,
                count_include_pad=False,
            )
        return (score - self.base) / self.unit
