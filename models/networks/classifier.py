"""The block classifier: which kind of defect, or none, a 64×64 window shows."""

from __future__ import annotations

from torch import Tensor, nn

from models.networks.efficientnet import STAGES, EfficientNetLite0


class BlockClassifier(nn.Module):
    """64×64 block → N kinds + background (class 0). Logits, N×(kinds + 1).

    The paper uses ResNet-101 here, a hundred times what this takes: EfficientNet-Lite0's first five
    stages at half the resolution, averaged. Eight blocks cost less than the lean detector's frame.
    """

    size_px = 64
    STAGES = 5

    def __init__(self, channels: int = 1, kinds: int = 1, dropout: float = 0.2) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0(channels, stages=self.STAGES, reduction=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(STAGES[self.STAGES - 1].channels, kinds + 1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.backbone(x)[-1]
        return self.logits(self.dropout(self.pool(features).flatten(1)))  # type: ignore[no-any-return]

    def load_imagenet(self) -> None:
        """Begin with ImageNet's weights. Raises ImportError where their package is missing."""
        self.backbone.load_imagenet()
