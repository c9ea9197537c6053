"""The network of the method `supersimplenet`: adapted features, a map and a score of the part.

Source: Rolih et al. 2025 (SuperSimpleNet, ICPR; extended in arXiv 2508.19060), section III. The
backbone is EfficientNet-Lite0 in place of a Wide-ResNet, and the cells are those of its stage at
stride 8, which is not enlarged further.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.base import DetectorNetwork, joined
from models.networks.decision import DecisionHead
from models.networks.efficientnet import STAGES, EfficientNetLite0

FINE, COARSE = 2, 4  # the stages whose features are used, at strides 8 and 16
FEATURES = STAGES[FINE].channels + STAGES[COARSE].channels
SMOOTH = 3  # side in cells of the square over which features are averaged
CELL_PX, MULTIPLE_PX = 8, 16


class SuperSimpleNetDetector(DetectorNetwork):
    """Severity for each cell of 8 px, and a score of the part.

    The backbone is frozen. Its features at strides 8 and 16 are joined at stride 8, averaged over
    SMOOTH × SMOOTH cells and standardised. ``heads`` adapts them and gives logits of the cells and
    of the part. ``map_scale`` and ``part_scale`` make severity of them.
    """

    decides = True
    stride_px, multiple_px = CELL_PX, MULTIPLE_PX

    def __init__(self, channels: int = 1, *, width: int = 128) -> None:
        """width: channels of the hidden layer of the map."""
        super().__init__()
        self.backbone = EfficientNetLite0(channels, stages=COARSE + 1)
        self.smooth = nn.Conv2d(FEATURES, FEATURES, SMOOTH, padding=SMOOTH // 2, groups=FEATURES)
        self.heads = Heads(width)
        self.map_scale, self.part_scale = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)

    def features(self, x: Tensor) -> Tensor:
        """Return the standardised features of the frozen part: N×FEATURES×h×w."""
        outputs = self.backbone(x)
        coarse = functional.interpolate(outputs[COARSE], scale_factor=2.0, mode="nearest")
        features: Tensor = self.smooth(torch.cat([outputs[FINE], coarse], 1))
        return features

    def raw_and_part(self, x: Tensor) -> tuple[Tensor, Tensor]:
        cells, part = self.heads.logits(self.heads.adapt(self.features(x)))
        return self.map_scale(cells), self.part_scale(part)

    def load_imagenet(self) -> None:
        self.backbone.load_imagenet()

    @torch.no_grad()
    def standardise(self, mean: Tensor, deviation: Tensor) -> None:
        """Set the mean and standard deviation of each feature, FEATURES each."""
        weight = 1.0 / (SMOOTH**2 * deviation)
        self.smooth.weight.copy_(weight[:, None, None, None].expand_as(self.smooth.weight))
        assert self.smooth.bias is not None
        self.smooth.bias.copy_(-mean / deviation)

    @torch.no_grad()
    def scale(self, cells: tuple[float, float], part: tuple[float, float]) -> None:
        """Set severity = (logit - middle) / unit of the cells and of the part: (middle, unit)."""
        for layer, (middle, unit) in ((self.map_scale, cells), (self.part_scale, part)):
            layer.weight.fill_(1.0 / unit)
            assert layer.bias is not None
            layer.bias.fill_(-middle / unit)


class Heads(nn.Module):
    """Everything that learns: the adaptor, the map and the decision head.

    ``forward`` is that of training. Its input is N×(FEATURES + 1)×h×w: features, and a plane that
    is 1 where they get noise. It returns one row for each picture, then one for each with
    noise: (2·N)×(h·w + 1), the logits of the cells and then that of the part.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.noise = 0.0  # standard deviation of the noise, of adapted features
        self.adapt = nn.Conv2d(FEATURES, FEATURES, 1, bias=False)
        nn.init.xavier_normal_(self.adapt.weight)
        self.hidden = nn.Sequential(
            nn.Conv2d(FEATURES, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU6()
        )
        self.cells = nn.Conv2d(width, 1, 1)
        self.decision = DecisionHead([FEATURES], 1, 1)

    def logits(self, adapted: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of the cells, N×1×h×w, and of the part, N×1×1×1."""
        cells = self.cells(self.hidden(adapted))
        return cells, self.decision([adapted], cells)

    def forward(self, x: Tensor) -> Tensor:
        adapted, where = self.adapt(x[:, :FEATURES]), x[:, FEATURES:]
        noisy = adapted + self.noise * torch.randn_like(adapted) * where
        return joined(*self.logits(torch.cat([adapted, noisy])))
