"""The decision head: one score per part, from the last features and the severity map.

Sources: Tabernik et al. 2020 (Journal of Intelligent Manufacturing 31:759, the decision network
beside the segmentation network) and Božič et al. 2021 (Computers in Industry 129:103459, the cut of
the gradient, and learning from pictures without masks).
"""

from __future__ import annotations

from collections.abc import Sequence

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

    channels: of the features of each stage that it sees, the coarsest last.

    The cells are reduced to the grid of the features by their largest value. A 3×3 convolution of
    the features and a 1×1 convolution of the cells are added. The sum is pooled over the picture,
    by average and by maximum, and weighted together with the largest cell. The features of every
    stage are also pooled directly, and weighted by linear layers that start at zero.

    The gradient of the decision never enters the cells: a map is trained by masks alone. Where
    ``is_cut``, the network also cuts it before the features of the map.
    """

    def __init__(self, channels: Sequence[int], shuffle: int, factor: int, width: int = 64) -> None:
        super().__init__()
        self.is_cut = False
        self.shuffle, self.factor = shuffle, factor
        self.features = nn.Sequential(*unit(channels[-1], width, 3, linear=True))
        self.cells = nn.Conv2d(shuffle**2, width, 1, bias=False)
        self.dropout = nn.Dropout(DROPOUT)
        self.pool = Largest()
        self.average = nn.Conv2d(width, 1, 1)
        self.largest = nn.Conv2d(width, 1, 1, bias=False)
        self.peak = nn.Parameter(torch.ones(1, 1, 1, 1))  # weight of the largest cell
        self.direct_average, self.direct_largest = (
            nn.ModuleList(nn.Conv2d(count, 1, 1, bias=False) for count in channels)
            for _ in range(2)
        )
        for direct in (*self.direct_average, *self.direct_largest):
            assert isinstance(direct, nn.Conv2d)
            nn.init.zeros_(direct.weight)

    def forward(self, stages: Sequence[Tensor], raw: Tensor) -> Tensor:
        """Return the logit. stages: the features of each stage, the coarsest last."""
        # Patches of training may end half-way in the coarsest grid. Frames of a station do not.
        cells = functional.max_pool2d(raw.detach(), self.factor, ceil_mode=self.training)
        x = functional.relu6(self.features(stages[-1]) + self.cells(cells))
        average, largest = x.mean((2, 3), keepdim=True), self.pool(x)
        peak = self.pool(functional.pixel_shuffle(self.pool(cells), self.shuffle))
        logit: Tensor = (
            self.average(self.dropout(average))
            + self.largest(self.dropout(largest))
            + self.peak * peak
        )
        for stage, on_average, on_largest in zip(
            stages, self.direct_average, self.direct_largest, strict=True
        ):
            logit = logit + on_average(stage.mean((2, 3), keepdim=True))
            logit = logit + on_largest(self.pool(stage))
        return logit

    @torch.no_grad()
    def set_linear(self, average: Tensor, largest: Tensor, bias: float) -> None:
        """Make the logit a linear function of the pooled features alone.

        average, largest: float32, one weight for each channel of all stages in their order.
        """
        self.average.weight.zero_()
        self.largest.weight.zero_()
        assert self.average.bias is not None
        self.average.bias.fill_(bias)
        self.peak.zero_()
        for layers, weights in ((self.direct_average, average), (self.direct_largest, largest)):
            first = 0
            for layer in layers:
                assert isinstance(layer, nn.Conv2d)
                some = weights[first : first + layer.in_channels]
                layer.weight.copy_(some.reshape(1, -1, 1, 1))
                first += layer.in_channels
