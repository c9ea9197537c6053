"""The network of the method `simplenet`: adapted features of each cell, and one logit of them.

Source: Liu et al. 2023 (SimpleNet, CVPR), sections 3.1 to 3.4. The backbone is EfficientNet-Lite
in place of a Wide-ResNet. docs/decisions/0050 has what differs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.base import DetectorNetwork
from models.networks.efficientnet import EfficientNetLite

FINE, COARSE = 2, 4  # the stages whose features are used, at strides 8 and 16
SMOOTH = 3  # side in cells of the square over which features are averaged
CELL_PX, MULTIPLE_PX = 8, 16


class JoinedFeatures(DetectorNetwork):
    """A detector on frozen features of each cell of 8 px.

    The features at strides 8 and 16 are joined at stride 8, averaged over SMOOTH × SMOOTH cells and
    standardised. ``widths``: their number at either stride.
    """

    stride_px, multiple_px = CELL_PX, MULTIPLE_PX

    def __init__(self, channels: int = 1, *, backbone: str = "lite0") -> None:
        super().__init__()
        self.backbone = EfficientNetLite(channels, variant=backbone, stages=COARSE + 1)
        self.widths = tuple(self.backbone.widths[stage] for stage in (FINE, COARSE))
        count = sum(self.widths)
        self.smooth = nn.Conv2d(count, count, SMOOTH, padding=SMOOTH // 2, groups=count)

    def features(self, x: Tensor) -> Tensor:
        """Return the standardised features of the frozen part: N×F×h×w."""
        outputs = self.backbone(x)
        coarse = functional.interpolate(outputs[COARSE], scale_factor=2.0, mode="nearest")
        features: Tensor = self.smooth(torch.cat([outputs[FINE], coarse], 1))
        return features

    def load_imagenet(self) -> None:
        self.backbone.load_imagenet()

    @torch.no_grad()
    def standardise(self, mean: Tensor, deviation: Tensor) -> None:
        """Set the mean and standard deviation of each feature, F each."""
        weight = 1.0 / (SMOOTH**2 * deviation)
        self.smooth.weight.copy_(weight[:, None, None, None].expand_as(self.smooth.weight))
        assert self.smooth.bias is not None
        self.smooth.bias.copy_(-mean / deviation)


class SimpleNetDetector(JoinedFeatures):
    """Severity for each cell of 8 px. ``cells`` gives its logit, and ``map_scale`` the severity."""

    def __init__(self, channels: int = 1, *, backbone: str = "lite0", width: int = 128) -> None:
        """width: channels of the hidden layer of the discriminator."""
        super().__init__(channels, backbone=backbone)
        self.cells = CellHead(sum(self.widths), width)
        self.map_scale = nn.Conv2d(1, 1, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Return the logit of each cell before it becomes severity: N×1×h×w."""
        return self.cells.discriminate(self.cells.adapt(self.features(x)))

    def raw(self, x: Tensor) -> Tensor:
        severity: Tensor = self.map_scale(self.logits(x))
        return severity


class CellHead(nn.Module):
    """Everything that learns: the adaptor, and the discriminator of sound and defective cells.

    ``forward`` is that of training. It returns N×cells logits of the features N×F×h×w,
    then N×cells logits of the same with noise: (2·N)×(h·w).
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.noise = 0.0  # standard deviation of the noise, of adapted features
        self.adapt = nn.Conv2d(features, features, 1, bias=False)
        nn.init.xavier_normal_(self.adapt.weight)
        self.hidden = nn.Sequential(
            nn.Conv2d(features, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU6()
        )
        self.cells = nn.Conv2d(width, 1, 1)

    def discriminate(self, adapted: Tensor) -> Tensor:
        """Return the logit of each cell, N×1×h×w."""
        logits: Tensor = self.cells(self.hidden(adapted))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        adapted = self.adapt(x)
        noisy = adapted + self.noise * torch.randn_like(adapted)
        return self.discriminate(torch.cat([adapted, noisy])).flatten(1)


@torch.no_grad()
def set_scale(layer: nn.Conv2d, middle: float, unit: float) -> None:
    """Let a convolution of one channel return (logit - middle) / unit."""
    layer.weight.fill_(1.0 / unit)
    assert layer.bias is not None
    layer.bias.fill_(-middle / unit)
