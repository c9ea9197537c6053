"""The decision head: one score per part, from the last features and the severity map.

Sources: Tabernik et al. 2020 (Journal of Intelligent Manufacturing 31:759, the decision network
beside the segmentation network) and Božič et al. 2021 (Computers in Industry 129:103459, the cut of
the gradient, and learning from pictures without masks).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.efficientnet import unit

DROPOUT = 0.2  # of the pooled features, in training only


class Largest(nn.Module):
    """The largest value of each channel, N×C×h×w → N×C×1×1. The TFLite export replaces it."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax((2, 3), keepdim=True)


class DecisionHead(nn.Module):
    """Features N×C×h×w and raw cells N×shuffle²×(h·factor)×(w·factor) → a logit N×1×1×1.

    The cells are reduced to the grid of the features by their largest value. A 3×3 convolution of
    the features and a 1×1 convolution of the cells are added. The sum is pooled over the picture,
    by average and by maximum, and weighted together with the largest cell. The features are also
    pooled directly, and weighted by a linear layer that starts at zero.

    The gradient of the decision never enters the cells: a map is trained by masks alone. Where
    ``is_cut``, the network also cuts it before the features of the map.
    """

    def __init__(self, channels: int, shuffle: int, factor: int, width: int = 64) -> None:
        super().__init__()
        self.is_cut = False
        self.shuffle, self.factor = shuffle, factor
        self.features = nn.Sequential(*unit(channels, width, 3, linear=True))
        self.cells = nn.Conv2d(shuffle**2, width, 1, bias=False)
        self.dropout = nn.Dropout(DROPOUT)
        self.pool = Largest()
        self.average = nn.Conv2d(width, 1, 1)
        self.largest = nn.Conv2d(width, 1, 1, bias=False)
        self.peak = nn.Parameter(torch.ones(1, 1, 1, 1))  # weight of the largest cell
        self.direct_average = nn.Conv2d(channels, 1, 1, bias=False)
        self.direct_largest = nn.Conv2d(channels, 1, 1, bias=False)
        for direct in (self.direct_average, self.direct_largest):
            nn.init.zeros_(direct.weight)

    def forward(self, features: Tensor, raw: Tensor) -> Tensor:
        cells = functional.max_pool2d(raw.detach(), self.factor)
        x = functional.relu6(self.features(features) + self.cells(cells))
        average, largest = x.mean((2, 3), keepdim=True), self.pool(x)
        peak = self.pool(functional.pixel_shuffle(self.pool(cells), self.shuffle))
        logit: Tensor = (
            self.average(self.dropout(average))
            + self.largest(self.dropout(largest))
            + self.peak * peak
            + self.direct_average(features.mean((2, 3), keepdim=True))
            + self.direct_largest(self.pool(features))
        )
        return logit

    @torch.no_grad()
    def set_linear(self, average: Tensor, largest: Tensor, bias: float) -> None:
        """Make the logit a linear function of the pooled features alone.

        average, largest: float32, one weight for each channel of the features.
        """
        for layer in (self.average, self.largest, self.direct_average, self.direct_largest):
            layer.weight.zero_()
        assert self.average.bias is not None
        self.average.bias.fill_(bias)
        self.peak.zero_()
        self.direct_average.weight.copy_(average.reshape(1, -1, 1, 1))
        self.direct_largest.weight.copy_(largest.reshape(1, -1, 1, 1))
