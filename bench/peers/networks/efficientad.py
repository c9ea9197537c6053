"""EfficientAD-S and -M: a teacher, a student and an autoencoder.

Source: Batzner et al. 2024 (EfficientAD, WACV), with the sizes of its appendix.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

FEATURES = 384


class EfficientAD(nn.Module):
    """The mean of two maps of 56×56 cells: student and teacher, and student and autoencoder.

    medium: EfficientAD-M in place of -S.
    """

    def __init__(self, *, medium: bool = False) -> None:
        super().__init__()
        self.teacher = _patches(FEATURES, medium=medium)
        self.student = _patches(2 * FEATURES, medium=medium)
        self.autoencoder = _autoencoder()

    def forward(self, x: Tensor) -> Tensor:
        teacher, student = self.teacher(x), self.student(x)
        decoded = self.autoencoder(x)
        local = (teacher - student[:, :FEATURES]).square().mean(1, keepdim=True)
        whole = (decoded - student[:, FEATURES:]).square().mean(1, keepdim=True)
        mean: Tensor = (local + whole) / 2.0
        return mean


def _patches(outputs: int, *, medium: bool) -> nn.Sequential:
    """Return the network that describes patches of 33×33 px by ``outputs`` features."""
    relu, pool = nn.ReLU, nn.AvgPool2d
    if medium:
        return nn.Sequential(
            *(nn.Conv2d(3, 256, 4), relu(), pool(2), nn.Conv2d(256, 512, 4), relu(), pool(2)),
            *(nn.Conv2d(512, 512, 1), relu(), nn.Conv2d(512, 512, 3), relu()),
            *(nn.Conv2d(512, outputs, 4), relu(), nn.Conv2d(outputs, outputs, 1)),
        )
    return nn.Sequential(
        *(nn.Conv2d(3, 128, 4), relu(), pool(2), nn.Conv2d(128, 256, 4), relu(), pool(2)),
        *(nn.Conv2d(256, 256, 3), relu(), nn.Conv2d(256, outputs, 4)),
    )


class _Enlarged(nn.Module):
    """Bilinear enlargement to a fixed side."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        size = (self.side, self.side)
        return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


def _autoencoder() -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 32), (32, 32), (32, 64), (64, 64), (64, 64)):
        layers += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.ReLU()]
    layers.append(nn.Conv2d(64, 64, 8))
    for side in (3, 8, 15, 32, 63, 127):
        layers += [_Enlarged(side), nn.Conv2d(64, 64, 4, 1, 2), nn.ReLU()]
    layers += [_Enlarged(56), nn.Conv2d(64, 64, 3, 1, 1), nn.ReLU()]
    layers.append(nn.Conv2d(64, FEATURES, 3, 1, 1))
    return nn.Sequential(*layers)
