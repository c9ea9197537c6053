"""The networks that stations run: EfficientNet-Lite0's first five stages on a reduced picture.

A defect is told from the surface by features that ImageNet teaches and some forty defective parts
do not. At half or a quarter of the resolution Lite0 costs a station 1 or 0.3 ms per 256×256 block
instead of 4, and sees twice or four times as far around a cell. docs/decisions/0010 has the shapes
that were tried beside it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.base import DetectorNetwork
from models.networks.efficientnet import STAGES, EfficientNetLite0, unit


class LeanDetector(DetectorNetwork):
    """Severity per 2×2 cell from EfficientNet-Lite0 on half the resolution, and a thin decoder.

    Stages 0 to 4 lie at strides 4, 8, 16, 32 and 32. Each step up adds the coarser features to a
    1×1 of the finer ones and mixes them by a 3×3 convolution; the last, at stride 4, gives the 2×2
    sub-cells.
    """

    logistic = True
    REDUCTION = 2
    TAPS = (4, 2, 1, 0)  # the stages' outputs that are used, coarse to fine
    WIDTHS = (48, 32, 16, 16)  # of the decoder at these
    RATE = 0.5  # of the backbone's learning, beside the decoder's

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.stride_px = 2
        self.multiple_px = 16 * self.REDUCTION
        self.shuffle = self.REDUCTION
        self.backbone = EfficientNetLite0(
            channels, stages=max(self.TAPS) + 1, reduction=self.REDUCTION
        )
        self.lateral = nn.ModuleList(
            nn.Sequential(*unit(STAGES[tap].channels, width, 1, linear=bool(i)))
            for i, (tap, width) in enumerate(zip(self.TAPS, self.WIDTHS, strict=True))
        )
        self.narrow = nn.ModuleList(
            nn.Sequential(*unit(coarse, fine, 1, linear=True))
            for coarse, fine in zip(self.WIDTHS[:-1], self.WIDTHS[1:], strict=True)
        )
        self.merge = nn.ModuleList(
            nn.Sequential(*unit(width, width, 3)) for width in self.WIDTHS[1:]
        )
        self.head = nn.Conv2d(self.WIDTHS[-1], self.REDUCTION**2, 3, padding=1)
        assert self.head.bias is not None
        nn.init.constant_(self.head.bias, -3.0)  # 0.6: most cells are sound

    def raw(self, x: Tensor) -> Tensor:
        outputs = self.backbone(x)
        x = self.lateral[0](outputs[self.TAPS[0]])
        steps = zip(self.TAPS[1:], self.lateral[1:], self.narrow, self.merge, strict=True)
        for tap, lateral, narrow, merge in steps:
            x = functional.interpolate(narrow(x), scale_factor=2.0, mode="nearest")
            x = merge(torch.relu(x + lateral(outputs[tap])))
        return self.head(x)  # type: ignore[no-any-return]

    def load_imagenet(self) -> None:
        self.backbone.load_imagenet()

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        known = {id(p) for p in self.backbone.parameters()}
        decoder = [p for p in self.parameters() if id(p) not in known]
        return [(list(self.backbone.parameters()), self.RATE), (decoder, 1.0)]


class NanoDetector(LeanDetector):
    """The same on a quarter of the resolution: a stem of 12×12 at stride 8, severity per 2×2 cell
    from 4×4 sub-cells. For a Pi Zero 2 or a very fast line; cracks of 2 px are not its own."""

    REDUCTION = 4
    WIDTHS = (64, 48, 32, 32)
