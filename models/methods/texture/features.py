"""What a texture is described by, per block: local binary patterns, gradients, grey statistics.

After the second source (LBP, gradient and grey statistics of a whole picture), here of overlapping
blocks, by convolutions, comparisons and pooling only, so that one network file holds all of it.

Grey levels are whole numbers and every weight below is a small binary fraction, so that sums are
exact in float32: a pixel that equals its neighbour is found equal by every engine, on every
processor, whatever the order in which it adds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.base import PIXEL_SCALE, PIXEL_ZERO_POINT

# Positions between pixels are rounded to 1/64 px: weights of 12 bits times 8 bits of grey, and the
# sum of four, fit the 24 bits of a float32.
_FINENESS = 64
# Grey levels²: what rounding to whole levels adds to a variance. It keeps the spread of a constant
# block away from 0, where its slope is infinite and skewness is 0 / 0.
_ROUNDING = 1.0 / 12.0
# OpenCV's weights of blue, green and red in 256ths.
_GREY = (29.0, 150.0, 77.0)
DIRECTIONS = 8


def ring(points: int, radius_px: int) -> Tensor:
    """points × 1 × k × k, k = 2·radius + 1: what takes the difference between a pixel on the circle
    (bilinear) and the middle one. Point 0 is to the right, the next ones follow anticlockwise."""
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
    """Means over block_px × block_px around each cell of step_px; what lies beyond the picture is
    not counted. N×C×H×W → N×C×(H/step)×(W/step)."""

    def __init__(self, block_px: int, step_px: int) -> None:
        super().__init__()
        self.step_px, self.cells = step_px, block_px // step_px

    def forward(self, x: Tensor) -> Tensor:
        # In two steps: the cells first, once, and then the few that a block has.
        x = functional.avg_pool2d(x, self.step_px)
        return functional.avg_pool2d(
            x, self.cells, stride=1, padding=self.cells // 2, count_include_pad=False
        )


class BinaryPatterns(nn.Module):
    """The histogram of uniform, rotation-invariant local binary patterns (Ojala et al. 2002,
    equation 9): per block the share of pixels with 0, 1 … points brighter neighbours in one run,
    and last that of all the others. M×1×H×W grey levels → M×(points + 2)×h×w.

    margin: a neighbour counts as brighter from the middle's grey level plus this on; 0 is the
    paper's, where noise alone decides in a plain surface.
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
        """M×1×H×W: each pixel's bin."""
        padded = functional.pad(grey, (self.radius_px,) * 4, mode="replicate")
        brighter = (functional.conv2d(padded, self.ring) >= self.margin).float()
        changes = functional.conv2d(brighter, self.changes).abs().sum(1, keepdim=True)
        ones = brighter.sum(1, keepdim=True)
        return torch.where(changes <= 2.5, ones, self.points + 1.0)

    def forward(self, grey: Tensor) -> Tensor:
        shares: Tensor = self.mean((self.codes(grey) == self.bins).float())
        return shares


class GradientStatistics(nn.Module):
    """Sobel's gradient in grey levels per pixel: its mean and spread, and the mean of its part
    towards each of 8 directions. M×1×H×W → M×10×h×w."""

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
    """Spread and skewness of the grey levels, each about the mean of the block around its own cell
    (so that slow shading is no spread), and how far the brightest and the darkest pixel are from
    the block's mean. M×1×H×W → M×4×h×w."""

    count = 4

    def __init__(self, mean: BlockMean) -> None:
        super().__init__()
        self.mean = mean

    def forward(self, grey: Tensor) -> Tensor:
        level = self.mean(grey)
        # About a mean close by: third powers of grey levels themselves would have no digits left.
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
    """All of them. N×C×H×W normalised pixels → N×count×h×w.

    each_channel: of every colour apart, else of grey alone. features: some of "patterns",
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
            # Whole levels again, so that what is equal stays equal.
            levels = functional.conv2d(levels, self.weights).round()
        blocks = torch.cat([part(levels) for part in self.parts], 1)
        rows, cols = blocks.shape[2:]
        return blocks.reshape(batch, self.count, rows, cols)
