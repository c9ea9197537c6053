"""Texture features of overlapping blocks: local binary patterns, gradients, grey statistics.

They consist of convolutions, comparisons and pooling only, so that one network file holds all of
them (docs/decisions/0029).

Grey levels are whole numbers, and every weight below is a small binary fraction. Sums are therefore
exact in float32, in any order. Every engine on every processor finds equal neighbours equal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.base import PIXEL_SCALE, PIXEL_ZERO_POINT

# Positions between pixels are rounded to 1/64 px. Weights of 12 bits times 8 bits of grey, and the
# sum of four of them, then fit the 24 bits of a float32.
_FINENESS = 64
# The variance, in grey levels², that rounding to whole levels adds. With it the spread of a
# constant block is not 0, where its slope would be infinite and skewness 0 / 0.
_ROUNDING = 1.0 / 12.0
# OpenCV's weights of blue, green and red in 256ths.
_GREY = (29.0, 150.0, 77.0)
DIRECTIONS = 8


def ring(points: int, radius_px: int) -> Tensor:
    """Return the kernels for differences between pixels on a circle and the central one.

    Shape: points × 1 × k × k with k = 2·radius + 1. Pixels on the circle are interpolated
    bilinearly. Point 0 is to the right, and the others follow anticlockwise.
    """
    side = 2 * radius_px + 1
    kernel = torch.zeros(points, 1, side, side)
    for point in range(points):
        angle = 2.0 * math.pi * point / points
        y = round(-radius_px * math.sin(angle) * _FINENESS) / _FINENESS
        x = round(radius_px * math.cos(angle) * _FINENESS) / _FINENESS
        top, left = math.floor(y), math.floor(x)
        for dy, wy in ((0, top + 1 - y), (1, y - top)):
            for dx, wx in ((0, left + 1 - x), (1, x - left)):
                if wy * wx:
                    kernel[point, 0, top + dy + radius_px, left + dx + radius_px] += wy * wx
        kernel[point, 0, radius_px, radius_px] -= 1.0
    return kernel


class BlockMean(nn.Module):
    """The mean over block_px × block_px around each cell of step_px.

    Shapes: N×C×H×W → N×C×(H/step)×(W/step). Pixels outside the picture are not counted.
    """

    def __init__(self, block_px: int, step_px: int) -> None:
        super().__init__()
        self.step_px, self.cells = step_px, block_px // step_px

    def forward(self, x: Tensor) -> Tensor:
        # First the mean of each cell, then the mean of the few cells of a block.
        x = functional.avg_pool2d(x, self.step_px)
        return functional.avg_pool2d(
            x, self.cells, stride=1, padding=self.cells // 2, count_include_pad=False
        )


class BinaryPatterns(nn.Module):
    """The histogram of uniform, rotation-invariant local binary patterns (Ojala et al. 2002, eq.
    9).

    Shapes: grey levels M×1×H×W → M×(points + 2)×h×w. For each block they are the shares of pixels
    with 0, 1 … points brighter neighbours in one run, and last the share of all other pixels.

    margin: a neighbour counts as brighter from this many grey levels on. The paper has 0, with
    which noise decides on a plain surface.
    """

    def __init__(self, points: int, radius_px: int, margin: float, mean: BlockMean) -> None:
        super().__init__()
        self.points, self.radius_px, self.margin = points, radius_px, margin
        self.mean = mean
        self.ring: Tensor
        self.changes: Tensor
        self.bins: Tensor
        self.register_buffer("ring", ring(points, radius_px), persistent=False)
        identity = torch.eye(points)
        self.register_buffer(
            "changes", (identity - identity.roll(1, 1))[:, :, None, None], persistent=False
        )
        self.register_buffer(
            "bins", torch.arange(points + 2.0)[None, :, None, None], persistent=False
        )

    @property
    def count(self) -> int:
        return self.points + 2

    def codes(self, grey: Tensor) -> Tensor:
        """Return the bin of each pixel: M×1×H×W."""
        padded = functional.pad(grey, (self.radius_px,) * 4, mode="replicate")
        brighter = (functional.conv2d(padded, self.ring) >= self.margin).float()
        changes = functional.conv2d(brighter, self.changes).abs().sum(1, keepdim=True)
        ones = brighter.sum(1, keepdim=True)
        return torch.where(changes <= 2.5, ones, self.points + 1.0)

    def forward(self, grey: Tensor) -> Tensor:
        shares: Tensor = self.mean((self.codes(grey) == self.bins).float())
        return shares


class GradientStatistics(nn.Module):
    """Statistics of Sobel's gradient, in grey levels per pixel. M×1×H×W → M×10×h×w.

    They are its mean and spread, and the mean of its component towards each of 8 directions.
    """

    count = 2 + DIRECTIONS

    def __init__(self, mean: BlockMean) -> None:
        super().__init__()
        self.mean = mean
        x = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8.0
        self.sobel: Tensor
        self.towards: Tensor
        self.register_buffer("sobel", torch.stack([x, x.T])[:, None], persistent=False)
        angles = torch.arange(DIRECTIONS) * (2.0 * math.pi / DIRECTIONS)
        self.register_buffer(
            "towards",
            torch.stack([angles.cos(), angles.sin()], 1)[:, :, None, None],
            persistent=False,
        )

    def forward(self, grey: Tensor) -> Tensor:
        padded = functional.pad(grey, (1, 1, 1, 1), mode="replicate")
        gradient = functional.conv2d(padded, self.sobel)
        square = gradient.square().sum(1, keepdim=True)
        length = square.sqrt()
        parts = functional.conv2d(gradient, self.towards).relu()
        means = self.mean(torch.cat([length, square, parts], 1))
        spread = (means[:, 1:2] - means[:, :1].square()).relu()
        return torch.cat([means[:, :1], (spread + _ROUNDING).sqrt(), means[:, 2:]], 1)


class GreyStatistics(nn.Module):
    """Spread, skewness and extremes of the grey levels. M×1×H×W → M×4×h×w.

    Spread and skewness are about the mean of the block around each cell, so that slow changes of
    light do not count. The extremes are the distances of the brightest and the darkest pixel from
    the mean of the block.
    """

    count = 4

    def __init__(self, mean: BlockMean) -> None:
        super().__init__()
        self.mean = mean

    def forward(self, grey: Tensor) -> Tensor:
        level = self.mean(grey)
        # About a near mean, because third powers of grey levels would lose their digits.
        step_px, cells = self.mean.step_px, self.mean.cells
        about = grey - functional.interpolate(level, scale_factor=float(step_px), mode="nearest")
        first, second, third = self.mean(
            torch.cat([about, about.square(), about * about.square()], 1)
        ).split(1, 1)
        variance = (second - first.square()).relu() + _ROUNDING
        spread = variance.sqrt()
        skewness = (third - first * (3.0 * second - 2.0 * first.square())) / (variance * spread)
        both = torch.cat([grey, -grey], 1)
        most = functional.max_pool2d(
            functional.max_pool2d(both, step_px), cells, stride=1, padding=cells // 2
        )
        return torch.cat([spread, skewness, most[:, :1] - level, most[:, 1:] + level], 1)


class TextureFeatures(nn.Module):
    """All chosen features of each block. Normalised pixels N×C×H×W → N×count×h×w.

    each_channel: describe every channel, else the grey picture. features: any of "patterns",
    "gradient", "grey" and "level".
    """

    def __init__(
        self,
        channels: int,
        *,
        block_px: int,
        step_px: int,
        features: Iterable[str],
        points: int,
        radii_px: Iterable[int],
        margin: float,
        each_channel: bool,
    ) -> None:
        super().__init__()
        chosen = frozenset(features)
        mean = BlockMean(block_px, step_px)
        self.each_channel = each_channel and channels > 1
        self.planes = channels if self.each_channel else 1
        self.parts = nn.ModuleList()
        counts = []
        if "patterns" in chosen:
            for radius_px in radii_px:
                patterns = BinaryPatterns(points, radius_px, margin, mean)
                self.parts.append(patterns)
                counts.append(patterns.count)
        if "gradient" in chosen:
            self.parts.append(GradientStatistics(mean))
            counts.append(GradientStatistics.count)
        if "grey" in chosen:
            self.parts.append(GreyStatistics(mean))
            counts.append(GreyStatistics.count)
        if "level" in chosen:
            self.parts.append(mean)
            counts.append(1)
        self.count = self.planes * sum(counts)
        self.weights: Tensor
        self.register_buffer(
            "weights", torch.tensor(_GREY)[None, :, None, None] / 256.0, persistent=False
        )

    def forward(self, x: Tensor) -> Tensor:
        levels = x / PIXEL_SCALE + PIXEL_ZERO_POINT
        batch, channels, height, width = levels.shape
        if self.each_channel:
            levels = levels.reshape(batch * channels, 1, height, width)
        elif channels > 1:
            # Rounded to whole levels, so that equal pixels stay equal.
            levels = functional.conv2d(levels, self.weights).round()
        blocks = torch.cat([part(levels) for part in self.parts], 1)
        rows, cols = blocks.shape[2:]
        return blocks.reshape(batch, self.count, rows, cols)
