"""The severity map of published methods: cells enlarged to pixels, and smoothed by a Gaussian.

Source: Roth et al. 2022 (PatchCore, CVPR), section 3.3, and Defard et al. 2021 (PaDiM, ICPR
Workshops), section III.C: bilinear interpolation to the picture's size, then σ = 4 px.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SIGMA_PX = 4.0
RADIUS_PX = 16  # 4 σ


class PixelMap(nn.Module):
    """Cells N×1×h×w → pixels N×1×(h·stride)×(w·stride).

    The map must have more than RADIUS_PX pixels a side, because it is reflected at the rim.
    """

    def __init__(self, stride_px: int) -> None:
        super().__init__()
        self.stride_px = stride_px
        side = 2 * RADIUS_PX + 1
        self.down = nn.Conv2d(1, 1, (side, 1), bias=False)
        self.across = nn.Conv2d(1, 1, (1, side), bias=False)
        offsets = torch.arange(-RADIUS_PX, RADIUS_PX + 1).float()
        weights = torch.exp(-(offsets**2) / (2 * SIGMA_PX**2))
        weights /= weights.sum()
        with torch.no_grad():
            self.down.weight.copy_(weights[None, None, :, None])
            self.across.weight.copy_(weights[None, None, None, :])

    def forward(self, cells: Tensor) -> Tensor:
        pixels = functional.interpolate(
            cells, scale_factor=float(self.stride_px), mode="bilinear", align_corners=False
        )
        pixels = functional.pad(pixels, (RADIUS_PX,) * 4, mode="reflect")
        return self.across(self.down(pixels))  # type: ignore[no-any-return]
