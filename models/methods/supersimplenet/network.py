"""The network of the method `supersimplenet`: adapted features, a map and a score of the part.

Source: Rolih et al. 2025 (SuperSimpleNet, ICPR; extended in arXiv 2508.19060), section III. The
backbone is EfficientNet-Lite in place of a Wide-ResNet, and the cells are those of its stage at
stride 8, which is not enlarged further.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.methods.simplenet.network import CellHead, JoinedFeatures, set_scale
from models.networks.base import joined
from models.networks.decision import DecisionHead


class SuperSimpleNetDetector(JoinedFeatures):
    """Severity for each cell of 8 px, and a score of the part.

    The features are those of SimpleNet. ``heads`` adapts them and gives logits of the cells and of
    the part. ``map_scale`` and ``part_scale`` make severity of them.
    """

    decides = True

    def __init__(self, channels: int = 1, *, backbone: str = "lite0", width: int = 128) -> None:
        """width: channels of the hidden layer of the map."""
        super().__init__(channels, backbone=backbone)
        self.heads = Heads(sum(self.widths), width)
        self.map_scale, self.part_scale = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)

    def raw_and_part(self, x: Tensor) -> tuple[Tensor, Tensor]:
        cells, part = self.heads.logits(self.heads.adapt(self.features(x)))
        return self.map_scale(cells), self.part_scale(part)

    def scale(self, cells: tuple[float, float], part: tuple[float, float]) -> None:
        """Set severity = (logit - middle) / unit of the cells and of the part: (middle, unit)."""
        set_scale(self.map_scale, *cells)
        set_scale(self.part_scale, *part)


class Heads(CellHead):
    """Everything that learns: the adaptor, the map and the decision head.

    ``forward`` is that of training. Its input is N×(F + 1)×h×w: F features, and a plane that
    is 1 where they get noise. It returns one row for each picture, then one for each with
    noise: (2·N)×(h·w + 1), the logits of the cells and then that of the part.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__(features, width)
        self.decision = DecisionHead([features], 1, 1)

    def logits(self, adapted: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of the cells, N×1×h×w, and of the part, N×1×1×1."""
        cells = self.discriminate(adapted)
        return cells, self.decision([adapted], cells)

    def forward(self, x: Tensor) -> Tensor:
        adapted, where = self.adapt(x[:, :-1]), x[:, -1:]
        noisy = adapted + self.noise * torch.randn_like(adapted) * where
        return joined(*self.logits(torch.cat([adapted, noisy])))
