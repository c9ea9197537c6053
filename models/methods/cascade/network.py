"""Two encoder-decoders in a row that segment: the second refines what the first says.

After Tao et al. 2018 (Automatic Metallic Surface Defect Detection and Recognition with
Convolutional Neural Networks, Applied Sciences 8:1575), section 2.2: the first one's prediction is
the second one's input, both learn from the same masks, and a classifier then names the kind. Theirs
are wide and at full resolution; these are as small as a station's (docs/decisions/0027).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.base import DetectorNetwork, conv_bn_relu

CELL_PX = 4


class EncoderDecoder(nn.Module):
    """Features N×widths[0]×h×w → the same shape. At each step down the resolution is halved; on the
    way back the finer features are added, so that what is small is not lost on the way."""

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
    """Severity per 2×2 px. In training mode both stages' logits, the first's ahead in the batch.

    width: at the cells of 4×4 px, twice that below. depth: how often each stage halves the
    resolution below the cells. refine: of the first one's widths, the second's share.
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
        # Added, not concatenated: int8 then needs no one scale for features and shares.
        self.again = nn.Conv2d(width, second, 3, padding=1)
        self.told = nn.Conv2d(self.shuffle**2, second, 3, padding=1, bias=False)
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
        seen = torch.relu(self.again(features) + self.told(torch.sigmoid(first)))
        return first, self.second_head(self.second(seen))


def _head(width: int) -> nn.Conv2d:
    head = nn.Conv2d(width, 4, 3, padding=1)
    assert head.bias is not None
    nn.init.constant_(head.bias, -3.0)  # 0.6: most cells are sound
    return head
