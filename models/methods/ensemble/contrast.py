"""The local contrast of grey levels: how much darker or brighter a place is than its surroundings.

It is the distance from the local mean of the detector `threshold` (edge/chain/threshold), with
fixed settings and as part of a network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from edge.chain.threshold.detector import DARKEST_GREY, USUAL_GREY
from models.networks.base import PIXEL_SCALE, PIXEL_ZERO_POINT

WINDOW_PX = 31  # side of the surroundings
CELL_PX = 8
# Of blue, green and red in a grey level, as OpenCV converts colours.
GREY_SHARES = (0.114, 0.587, 0.299)


class LocalContrast(nn.Module):
    """Normalised pixels N×C×H×W → contrasts N×2×(H/8)×(W/8): darker, then brighter.

    The contrast of a pixel is its distance from the mean of WINDOW_PX × WINDOW_PX pixels around it,
    in grey levels, scaled as if this mean were USUAL_GREY. A cell has the largest of its pixels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        shares = torch.tensor(GREY_SHARES if channels == 3 else (1.0,))
        self.grey = nn.Conv2d(channels, 1, 1)
        with torch.no_grad():
            self.grey.weight.copy_(shares[None, :, None, None] / PIXEL_SCALE)
            assert self.grey.bias is not None
            self.grey.bias.fill_(float(PIXEL_ZERO_POINT))
        self.grey.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        grey = self.grey(x)
        behind = _mean_along(_mean_along(grey, 0), 1)
        contrast = (grey - behind) * USUAL_GREY / behind.clamp(min=DARKEST_GREY)
        both = functional.relu(torch.cat([-contrast, contrast], 1))
        return functional.max_pool2d(both, CELL_PX)


def _mean_along(x: Tensor, axis: int) -> Tensor:
    """Return the mean over WINDOW_PX pixels along rows (1) or columns (0), fewer at the rim."""
    window = [1, 1]
    window[axis] = WINDOW_PX
    rim = [side // 2 for side in window]
    return functional.avg_pool2d(x, window, 1, rim, count_include_pad=False)
