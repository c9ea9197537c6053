"""The network of the method `padim`: the Mahalanobis distance from good parts, place by place.

Source: Defard et al. 2021 (PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and
Localization, ICPR Workshops), section III. The backbone is EfficientNet-Lite in place of a ResNet.
docs/decisions/0048 lists every difference from the paper.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from models.methods.pixel_map import PixelMap
from models.methods.sized_buffers import SizedBuffers, Sizes
from models.networks.efficientnet import EfficientNetLite

TAPS = (1, 2, 4)  # stages of the backbone; strides 4, 8 and 16, times the reduction


class PaDiMDetector(SizedBuffers):
    """Severity for each pixel: the distance from the Gaussian of good parts at that place.

    The features are those of a frozen network, of which ``chosen`` are used. The input has one
    size, that of the training pictures. ``mean``: d×rows×cols. ``whiten``: for each place, row by
    row, a matrix W of d×d with W·Wᵀ equal to the inverse covariance, so the Mahalanobis distance of
    a deviation x is |x·W|. ``unit``: the distance that is a severity of 1. Their sizes are those of
    the weights that are loaded.
    """

    sized: ClassVar[Sizes] = {"chosen": (0,), "mean": (0, 1, 2), "whiten": (0, 1, 2)}
    stride_px = 1

    def __init__(self, channels: int = 1, *, backbone: str = "lite0", reduction: int = 2) -> None:
        """reduction: factor by which the resolution is reduced first."""
        super().__init__()
        self.cell_px, self.multiple_px = 4 * reduction, 16 * reduction
        self.backbone = EfficientNetLite(
            channels, variant=backbone, stages=TAPS[-1] + 1, reduction=reduction
        )
        self.features = sum(self.backbone.widths[tap] for tap in TAPS)
        self.pixels = PixelMap(self.cell_px)
        self.chosen: Tensor
        self.mean: Tensor
        self.whiten: Tensor
        self.unit: Tensor
        self.register_buffer("chosen", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(1, 1, 1))
        self.register_buffer("whiten", torch.zeros(1, 1, 1))
        self.register_buffer("unit", torch.ones(1))

    @property
    def fixed_px(self) -> tuple[int, int]:
        _, rows, cols = self.mean.shape
        return rows * self.cell_px, cols * self.cell_px

    def cell_features(self, x: Tensor) -> Tensor:
        """Return the chosen features of the cells: N×C×H×W → N×d×rows×cols."""
        outputs = self.backbone(x)
        enlarged = [outputs[TAPS[0]]]
        for i, tap in enumerate(TAPS[1:], start=1):
            enlarged.append(
                functional.interpolate(outputs[tap], scale_factor=2.0**i, mode="nearest")
            )
        return torch.cat(enlarged, 1).index_select(1, self.chosen)

    def distances(self, x: Tensor) -> Tensor:
        """Return the Mahalanobis distance of each cell: N×1×rows×cols."""
        deviation = self.cell_features(x) - self.mean
        places = deviation.flatten(2).permute(2, 0, 1)
        squares = torch.matmul(places, self.whiten).square().sum(2)
        return torch.sqrt(squares).transpose(0, 1).reshape(-1, 1, *self.mean.shape[1:])

    def raw(self, x: Tensor) -> Tensor:
        severity: Tensor = self.pixels(self.distances(x)) / self.unit
        return severity

    def load_imagenet(self) -> None:
        self.backbone.load_imagenet()
