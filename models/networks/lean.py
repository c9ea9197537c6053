"""The networks that stations run."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.networks.base import DetectorNetwork, ResidualBlock, conv_bn_relu


class LeanDetector(DetectorNetwork):
    """Outfeed's first lean network: few wide layers at stride 8 and 16, severity per 2×2 cell.

    4×4/4 patchify stem, a 3×3/2 to stride 8, context at stride 16 (two residual blocks, a
    receptive field of about 200 px) added back at stride 8, one residual block; its output is
    shuffled up to stride 4, where the stem's detail is added, and a last thin convolution gives the
    2×2 sub-cells. Time goes where the int8 kernels are best, into channels that are multiples of 16
    at strides 8 and 16; a crack 2 px wide still has a path of its own.
    """

    shuffle = 2
    logistic = True

    def __init__(self, channels: int = 1, width: int = 64, context: int = 96) -> None:
        super().__init__()
        self.stride_px = 2
        self.multiple_px = 16
        self.stem = nn.Sequential(*conv_bn_relu(channels, 48, 4, stride=4, padding=0))
        self.down = nn.Sequential(*conv_bn_relu(48, width, 3, stride=2))
        self.context = nn.Sequential(
            *conv_bn_relu(width, context, 3, stride=2),
            ResidualBlock(context),
            ResidualBlock(context),
            nn.Conv2d(context, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.Upsample(scale_factor=2, mode="nearest"),
        )
        self.fuse = ResidualBlock(width)
        self.up = nn.Sequential(
            nn.Conv2d(width, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.PixelShuffle(2)
        )
        self.detail = nn.Sequential(nn.Conv2d(48, 16, 1, bias=False), nn.BatchNorm2d(16))
        self.head = nn.Conv2d(16, 4, 3, padding=1)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
        self.head.bias = nn.Parameter(torch.full((4,), -3.0))  # 0.6: most cells are sound

    def raw(self, x: Tensor) -> Tensor:
        fine = self.stem(x)
        x = self.down(fine)
        x = self.fuse(torch.relu(x + self.context(x)))
        return self.head(torch.relu(self.up(x) + self.detail(fine)))  # type: ignore[no-any-return]
