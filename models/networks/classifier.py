"""The block classifier: the kind of defect, or background, in a window of 64×64 px."""

from __future__ import annotations

from torch import Tensor, nn

from models.networks.efficientnet import EfficientNetLite


class BlockClassifier(nn.Module):
    """Blocks of 64×64 px → logits, N×(kinds + 1). Class 0 is background.

    It has the first five stages of EfficientNet-Lite0 at half the resolution, and their average.
    The paper uses ResNet-101, which costs a hundred times as much. Eight blocks take less time than
    a frame of the lean detector.
    """

    size_px = 64
    STAGES = 5

    def __init__(self, channels: int = 1, kinds: int = 1, dropout: float = 0.2) -> None:
        super().__init__()
        self.backbone = EfficientNetLite(channels, stages=self.STAGES, reduction=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(self.backbone.widths[-1], kinds + 1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.backbone(x)[-1]
        return self.logits(self.dropout(self.pool(features).flatten(1)))  # type: ignore[no-any-return]

    def load_imagenet(self) -> None:
        """Load the weights of ImageNet. Raises ImportError without their package."""
        self.backbone.load_imagenet()
