"""The block classifier: which kind of defect, or none, a 64×64 window shows."""

from __future__ import annotations

from torch import Tensor, nn

from models.networks.base import ResidualBlock, conv_bn_relu


class BlockClassifier(nn.Module):
    """64×64 block → N kinds + background (class 0). Logits, N×(kinds + 1).

    The paper uses ResNet-101 here; a block costs more then than ten frames of the lean detector.
    This one has 14 MMAC.
    """

    size_px = 64

    def __init__(self, channels: int = 1, kinds: int = 1, dropout: float = 0.2) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *conv_bn_relu(channels, 32, 4, stride=4, padding=0),
            ResidualBlock(32),
            *conv_bn_relu(32, 64, 3, stride=2),
            ResidualBlock(64),
            *conv_bn_relu(64, 96, 3, stride=2),
            ResidualBlock(96),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(96, kinds + 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.dropout(self.pool(self.features(x)).flatten(1)))  # type: ignore[no-any-return]
