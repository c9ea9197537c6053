"""YOLO11n-seg: boxes, classes and masks as coefficients of prototypes.

Source: the configuration and modules of Jocher & Qiu 2024 (Ultralytics YOLO11), written anew from
their description. The outputs are raw: their decoding, suppression and masks are not included.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.peers.networks.blocks import ConvNorm

_Conv = partial(ConvNorm, activation=nn.SiLU)
BINS = 16  # of the distribution of each side of a box
PROTOTYPES = 32


class _Bottleneck(nn.Module):
    def __init__(self, width: int, share: float) -> None:
        super().__init__()
        hidden = int(width * share)
        self.body = nn.Sequential(_Conv(width, hidden), _Conv(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = x + self.body(x)
        return output


class _TwoBottlenecks(nn.Module):
    """Two bottlenecks beside a skip, which the configuration calls C3k."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.first, self.second = _Conv(width, half, 1), _Conv(width, half, 1)
        self.body = nn.Sequential(_Bottleneck(half, 1.0), _Bottleneck(half, 1.0))
        self.last = _Conv(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([self.body(self.first(x)), self.second(x)], 1)
        output: Tensor = self.last(joined)
        return output


class _Stage(nn.Module):
    """A stage of the network, which the configuration calls C3k2. deep: with C3k."""

    def __init__(
        self, inputs: int, outputs: int, *, deep: bool = False, share: float = 0.5
    ) -> None:
        super().__init__()
        width = int(outputs * share)
        self.first = _Conv(inputs, 2 * width, 1)
        self.body: nn.Module = _TwoBottlenecks(width) if deep else _Bottleneck(width, 0.5)
        self.last = _Conv(3 * width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.first(x).chunk(2, 1)
        output: Tensor = self.last(torch.cat([left, right, self.body(right)], 1))
        return output


class _Pyramid(nn.Module):
    """Three poolings one after the other (SPPF)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.last = _Conv(width, width // 2, 1), _Conv(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        found = [self.first(x)]
        for _ in range(3):
            found.append(functional.max_pool2d(found[-1], 5, 1, 2))
        output: Tensor = self.last(torch.cat(found, 1))
        return output


class _Attention(nn.Module):
    """Attention between all cells, with a convolution for the place. Keys have half the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.key = heads, width // heads // 2
        self.project = ConvNorm(width, 2 * width, 1, activation=None)
        self.last = ConvNorm(width, width, 1, activation=None)
        self.place = ConvNorm(width, width, 3, groups=width, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        count, width, rows, cols = x.shape
        both = self.project(x).reshape(count, self.heads, -1, rows * cols)
        query, key, value = both.split([self.key, self.key, 2 * self.key], 2)
        weights = torch.softmax((query.transpose(2, 3) @ key) * self.key**-0.5, -1)
        found = (value @ weights.transpose(2, 3)).reshape(count, width, rows, cols)
        output: Tensor = self.last(found + self.place(value.reshape(count, width, rows, cols)))
        return output


class _Attending(nn.Module):
    """A stage with attention in one half of its channels, which is called C2PSA."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.width = half
        self.first, self.last = _Conv(width, width, 1), _Conv(width, width, 1)
        self.attention = _Attention(half, half // 64)
        self.body = nn.Sequential(
            _Conv(half, 2 * half, 1), ConvNorm(2 * half, half, 1, activation=None)
        )

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.first(x).split([self.width, self.width], 1)
        right = right + self.attention(right)
        output: Tensor = self.last(torch.cat([left, right + self.body(right)], 1))
        return output


class _Prototypes(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.first, self.second = _Conv(inputs, width), _Conv(width, width)
        self.enlarge = nn.ConvTranspose2d(width, width, 2, 2)
        self.last = _Conv(width, PROTOTYPES, 1)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.last(self.second(self.enlarge(self.first(x))))
        return output


class YoloSegmentation(nn.Module):
    """YOLO11n-seg. Returns for each of three strides N×(64 + kinds + 32)×h×w, then the prototypes.

    kinds: number of kinds of objects.
    """

    def __init__(self, kinds: int = 1) -> None:
        super().__init__()
        self.early = nn.Sequential(
            _Conv(3, 16, 3, 2),
            _Conv(16, 32, 3, 2),
            _Stage(32, 64, share=0.25),
            _Conv(64, 64, 3, 2),
            _Stage(64, 128, share=0.25),
        )
        self.middle = nn.Sequential(_Conv(128, 128, 3, 2), _Stage(128, 128, deep=True))
        self.late = nn.Sequential(
            _Conv(128, 256, 3, 2), _Stage(256, 256, deep=True), _Pyramid(256), _Attending(256)
        )
        self.up_middle, self.up_early = _Stage(384, 128), _Stage(256, 64)
        self.down_middle, self.join_middle = _Conv(64, 64, 3, 2), _Stage(192, 128)
        self.down_late, self.join_late = _Conv(128, 128, 3, 2), _Stage(384, 256, deep=True)
        widths = (64, 128, 256)
        width = max(widths[0], min(kinds, 100))
        self.boxes = nn.ModuleList(_head(each, 64, 4 * BINS) for each in widths)
        self.kinds = nn.ModuleList(_kinds(each, width, kinds) for each in widths)
        self.coefficients = nn.ModuleList(_head(each, 32, PROTOTYPES) for each in widths)
        self.prototypes = _Prototypes(widths[0], 64)

    def forward(self, x: Tensor) -> Sequence[Tensor]:
        early = self.early(x)
        middle = self.middle(early)
        late = self.late(middle)
        middle = self.up_middle(torch.cat([_doubled(late), middle], 1))
        early = self.up_early(torch.cat([_doubled(middle), early], 1))
        middle = self.join_middle(torch.cat([self.down_middle(early), middle], 1))
        late = self.join_late(torch.cat([self.down_late(middle), late], 1))
        found = [
            torch.cat([head(x) for head in heads], 1)
            for x, *heads in zip(
                (early, middle, late), self.boxes, self.kinds, self.coefficients, strict=True
            )
        ]
        return *found, self.prototypes(early)


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _head(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_Conv(inputs, width), _Conv(width, width), nn.Conv2d(width, outputs, 1))


def _kinds(inputs: int, width: int, kinds: int) -> nn.Sequential:
    return nn.Sequential(
        _Conv(inputs, inputs, groups=inputs),
        _Conv(inputs, width, 1),
        _Conv(width, width, groups=width),
        _Conv(width, width, 1),
        nn.Conv2d(width, kinds, 1),
    )
