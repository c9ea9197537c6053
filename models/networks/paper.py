"""The detection network of He & Liu 2020 (IEEE Access 8:35583), the reference."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from models.networks.base import DetectorNetwork


class ResidualUnit(nn.Module):
    """The residual unit of the paper, with three convolutions where ResNet-18 has two.

    Fig. 4 of He & Liu 2020 names BN, convolution and ReLU, and its Tables 2 and 3 list seven
    convolutions per stage. Two residual units of three convolutions fit them: 1×1 reduce, 5×5, 5×5
    widen. The first unit has a 1×1 projection on the shortcut (conv4 of the table), as ResNet has
    where the width changes. See docs/decisions/0002.
    """

    def __init__(self, channels_in: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _bn_conv_relu(channels_in, narrow, 1),
            _bn_conv_relu(narrow, narrow, 5),
            _bn_conv_relu(narrow, wide, 5),
        )
        self.shortcut = (
            nn.Identity() if channels_in == wide else nn.Conv2d(channels_in, wide, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)  # type: ignore[no-any-return]


class PaperDetector(DetectorNetwork):
    """The detection network of He & Liu 2020, Tables 1 to 3: the reference, which is not shipped.

    resolution 4 is the published network, with cells of 4×4 px. The paper has no table for
    resolution 2; here it has no second average pooling (docs/decisions/0002).
    """

    def __init__(self, channels: int = 1, resolution: Literal[2, 4] = 4) -> None:
        super().__init__()
        self.stride_px = resolution
        self.multiple_px = resolution
        self.conv1 = nn.Conv2d(channels, 16, 5, padding=2)
        self.pool1 = nn.AvgPool2d(3, 2, padding=1, count_include_pad=False)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1)
        self.stage1 = nn.Sequential(ResidualUnit(16, 8, 32), ResidualUnit(32, 8, 32))
        self.pool2: nn.Module = (
            nn.AvgPool2d(3, 2, padding=1, count_include_pad=False)
            if resolution == 4
            else nn.Identity()
        )
        self.stage2 = nn.Sequential(ResidualUnit(32, 16, 64), ResidualUnit(64, 16, 64))
        self.conv3 = nn.Conv2d(64, 512, 3, padding=1)
        self.conv4 = nn.Conv2d(512, 1, 1)

    def raw(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.conv2(self.pool1(x)))
        x = self.pool2(self.stage1(x))
        x = torch.relu(self.conv3(self.stage2(x)))
        return self.conv4(x)  # type: ignore[no-any-return]


def _bn_conv_relu(channels_in: int, channels_out: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(channels_in),
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2),
        nn.ReLU(),
    )
