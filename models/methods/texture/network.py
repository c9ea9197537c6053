"""Texture statistics per block → scaling → principal components → how unlike good parts they are.

The second source's traditional method, with an answer per block in place of one per picture; from
uint8 pixels to severity it is one network.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.methods.recipe import TextureRecipe
from models.methods.texture.features import TextureFeatures
from models.methods.texture.outlier_network import IsolationForest, OneClassSupport, ResizableModule
from models.networks.base import DetectorNetwork

# What a picture's own spread of a feature is never taken to be below, in spreads of good parts: a
# plain picture's noise is no texture.
_LEAST_SPREAD = 0.25


class Reduction(ResizableModule):
    """Features → the principal components' coordinates. N×F×h×w → N×K×h×w.

    The features are scaled as good parts' are (StandardScaler). within_picture: then once more, by
    the mean and spread of this very picture, so that a block is compared with the rest of its part;
    light, and which of many surfaces it is, are then nothing that could be odd.
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
    """Severity per step_px from the statistics of the block_px around it (raw is severity).

    base and unit: severity = (score - base) / unit; the score of the usual good block, and how much
    of it one severity is. Untrained, it knows no good part: its buffers take what is loaded.
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
        """The model's own score, N×1×h×w, before it is smoothed and becomes severity."""
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
