"""Two encoder-decoders that segment: the second one refines the answer of the first.

Source: Tao et al. 2018 (Automatic Metallic Surface Defect Detection and Recognition with
Convolutional Neural Networks, Applied Sciences 8:1575), section 2.2. The prediction of the first
one is an input of the second one. Both learn from the same masks, and a classifier names the kind.
The networks of the paper are wide and work at full resolution. These are small enough for a station
(docs/decisions/0027).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.base import DetectorNetwork, conv_bn_relu

CELL_PX = 4


class EncoderDecoder(nn.Module):
    """An encoder-decoder: features N×widths[0]×h×w → the same shape.

    Each step of the encoder halves the resolution. Each step of the decoder adds the finer
    features, so that small defects are not lost.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Sequential(
                *conv_bn_relu(fine, coarse, 3, stride=2), *conv_bn_relu(coarse, coarse, 3)
            )
            for fine, coarse in pairwise(widths)
        )
        steps = list(pairwise(widths[::-1]))
        self.narrow = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for coarse, fine in steps)
        self.merge = nn.ModuleList(nn.Sequential(*conv_bn_relu(fine, fine, 3)) for _, fine in steps)

    def forward(self, x: Tensor) -> Tensor:
        finer = [x]
        for down in self.down:
            finer.append(down(finer[-1]))
        x = finer.pop()
        for narrow, merge in zip(self.narrow, self.merge, strict=True):
            x = functional.interpolate(narrow(x), scale_factor=2.0, mode="nearest")
            x = merge(torch.relu(x + finer.pop()))
        return x


class CascadeDetector(DetectorNetwork):
    """Severity for each 2×2 px. In training mode the logits of both stages, along the batch.

    width: channels at the cells of 4×4 px; twice as many below. depth: number of times that each
    stage halves the resolution below the cells. refine: width of the second stage, as a share of
    the first.
    """

    logistic = True
    stages = 2

    def __init__(
        self, channels: int = 1, *, width: int = 24, depth: int = 3, refine: float = 1.0
    ) -> None:
        super().__init__()
        self.stride_px, self.shuffle = 2, 2
        self.multiple_px = CELL_PX * 2**depth
        second = max(8, round(width * refine / 8) * 8)
        self.stem = nn.Sequential(
            *conv_bn_relu(channels, width, CELL_PX, stride=CELL_PX, padding=0)
        )
        self.first = EncoderDecoder((width, *[2 * width] * depth))
        self.first_head = _head(width)
        # Added and not concatenated: concatenation in int8 would need one scale for both.
        self.again = nn.Conv2d(width, second, 3, padding=1)
        self.answer = nn.Conv2d(self.shuffle**2, second, 3, padding=1, bias=False)
        self.second = EncoderDecoder((second, *[2 * second] * depth))
        self.second_head = _head(second)

    def raw(self, x: Tensor) -> Tensor:
        return self._both(x)[1]

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        return functional.pixel_shuffle(torch.cat(self._both(x)), self.shuffle)

    def _both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.stem(x)
        first = self.first_head(self.first(features))
        refined = torch.relu(self.again(features) + self.answer(torch.sigmoid(first)))
        return first, self.second_head(self.second(refined))


def _head(width: int) -> nn.Conv2d:
    head = nn.Conv2d(width, 4, 3, padding=1)
    assert head.bias is not None
    nn.init.constant_(head.bias, -3.0)  # severity 0.6, because most cells are sound
    return head
