"""Networks that learn from masks: SegDecNet, and U-Net on MobileNetV2.

Sources: Tabernik et al. 2020 (Journal of Intelligent Manufacturing) and Božič et al. 2021
(Computers in Industry); Ronneberger et al. 2015 (U-Net, MICCAI); Sandler et al. 2018 (MobileNetV2,
CVPR). The decoder is that of the library segmentation-models-pytorch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.peers.networks.blocks import ConvNorm


class SegDecNet(nn.Module):
    """A map at an eighth of the resolution, and a decision from its last features and the map."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(ConvNorm(inputs, 32, 5) for inputs in (3, 32)),
            nn.MaxPool2d(2),
            *(ConvNorm(inputs, 64, 5) for inputs in (32, 64, 64)),
            nn.MaxPool2d(2),
            *(ConvNorm(64, 64, 5) for _ in range(4)),
            nn.MaxPool2d(2),
            ConvNorm(64, 1024, 15),
        )
        self.segmentation = nn.Conv2d(1024, 1, 1)
        self.decision = nn.Sequential(
            nn.MaxPool2d(2),
            ConvNorm(1025, 8, 5),
            nn.MaxPool2d(2),
            ConvNorm(8, 16, 5),
            nn.MaxPool2d(2),
            ConvNorm(16, 32, 5),
        )
        self.score = nn.Linear(66, 1)

    def forward(self, x: Tensor) -> Sequence[Tensor]:
        features = self.features(x)
        found = self.segmentation(features)
        last = self.decision(torch.cat([features, found], 1))
        pooled = [each for part in (last, found) for each in (part.amax((2, 3)), part.mean((2, 3)))]
        return found, self.score(torch.cat(pooled, 1))


class _InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers = [] if expansion == 1 else [ConvNorm(inputs, hidden, 1, activation=nn.ReLU6)]
        self.body = nn.Sequential(
            *layers,
            ConvNorm(hidden, hidden, 3, stride, groups=hidden, activation=nn.ReLU6),
            ConvNorm(hidden, outputs, 1, activation=None),
        )
        self.is_added = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.body(x)
        return x + found if self.is_added else found


class MobileNetV2(nn.Module):
    """The features of MobileNetV2 at strides 2, 4, 8, 16 and 32."""

    # expansion, channels, repeats, stride
    STAGES = (
        *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
        *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
    )
    LAST = 1280

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, 32, 3, 2, activation=nn.ReLU6)
        inputs, stages = 32, []
        for expansion, outputs, repeats, stride in self.STAGES:
            blocks = []
            for number in range(repeats):
                blocks.append(
                    _InvertedResidual(inputs, outputs, 1 if number else stride, expansion)
                )
                inputs = outputs
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.last = ConvNorm(inputs, self.LAST, 1, activation=nn.ReLU6)

    def forward(self, x: Tensor) -> list[Tensor]:
        outputs, x = [], self.stem(x)
        for number, stage in enumerate(self.stages):
            if number in (1, 2, 3, 5):  # the next stage halves the resolution
                outputs.append(x)
            x = stage(x)
        return [*outputs, self.last(x)]


class MobileUNet(nn.Module):
    """A mask at full resolution: MobileNetV2 and a decoder of 256 to 16 channels."""

    WIDTHS = (256, 128, 64, 32, 16)
    SKIPPED = (96, 32, 24, 16, 0)

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MobileNetV2()
        inputs, blocks = MobileNetV2.LAST, []
        for outputs, skipped in zip(self.WIDTHS, self.SKIPPED, strict=True):
            blocks.append(
                nn.Sequential(ConvNorm(inputs + skipped, outputs), ConvNorm(outputs, outputs))
            )
            inputs = outputs
        self.decoder = nn.ModuleList(blocks)
        self.head = nn.Conv2d(inputs, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        *skipped, found = self.encoder(x)
        for block in self.decoder:
            found = functional.interpolate(found, scale_factor=2.0, mode="nearest")
            if skipped:
                found = torch.cat([found, skipped.pop()], 1)
            found = block(found)
        mask: Tensor = self.head(found)
        return mask
