"""The network of the method `memory-bank`: the distance of features from those of good parts.

Sources: features of the middle stages of a pretrained network, and their statistics on good parts,
after Roth et al. 2022 (PatchCore, CVPR), section 3.1, and Defard et al. 2021 (PaDiM, ICPR
Workshops), section III. The critic is after Liu et al. 2023 (SimpleNet, CVPR), section 3.3.
docs/decisions/0028 has the trials.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.base import DetectorNetwork
from models.networks.efficientnet import EfficientNetLite

TAPS = (1, 2, 4)  # stages of the backbone; strides 4, 8 and 16, times the reduction
# Limit of the deviation along one direction, in standard deviations of good parts. ReLU6 applies
# it, so that int8 resolves 0.05 of a deviation even with a large defect.
FARTHEST = 12.0
_TOP = 6.0  # the limit of ReLU6


class MemoryBankDetector(DetectorNetwork):
    """Severity for each cell of 4 px times the reduction, from a frozen EfficientNet-Lite.

    It is the sum of two terms. The distance has two units for each of ``directions`` of the
    features: the deviation in both senses, limited to FARTHEST. The critic has ``units`` ReLU6
    units that were trained with synthetic defects. Both consist of a 1×1 convolution, ReLU6, and a
    second 1×1: there is no square, no root and no minimum over a bank.

    Coarse stages are repeated to the finest stride and concatenated before the projection, so that
    int8 rounds no sum in between. They share one scale, so their channels must reach equally far
    (models/methods/channel_equalisation.py).
    """

    def __init__(
        self,
        channels: int = 1,
        *,
        backbone: str = "lite0",
        reduction: int = 2,
        directions: int = 16,
        units: int = 32,
    ) -> None:
        super().__init__()
        self.stride_px, self.multiple_px = 4 * reduction, 16 * reduction
        self.directions, self.units = directions, units
        self.backbone = EfficientNetLite(
            channels, variant=backbone, stages=TAPS[-1] + 1, reduction=reduction
        )
        self.features = sum(self.backbone.widths[tap] for tap in TAPS)
        rows = 2 * directions + units
        self.project = nn.Conv2d(self.features, rows, 1)
        self.head = nn.Conv2d(rows, 1, 1)

    def taps(self, x: Tensor) -> list[Tensor]:
        """Return the features, fine to coarse: N×C×(H/stride)×(W/stride) each."""
        outputs = self.backbone(x)
        return [outputs[tap] for tap in TAPS]

    def raw(self, x: Tensor) -> Tensor:
        return self.head(self.hidden(x))  # type: ignore[no-any-return]

    def hidden(self, x: Tensor) -> Tensor:
        """Return deviations in both senses and the critic's units: N×(2·directions + units)×h×w."""
        return functional.relu6(self.project(grown(self.taps(x))))

    def cell_features(self, x: Tensor) -> Tensor:
        return cells(self.taps(x))

    def load_imagenet(self) -> None:
        self.backbone.load_imagenet()

    @torch.no_grad()
    def remember(self, distance: tuple[Tensor, Tensor], critic: tuple[Tensor, Tensor]) -> None:
        """Set the projections, each as weight and bias on the features.

        distance: directions×features and directions, for the deviations. critic: units×features and
        units, for the input of its ReLU6.
        """
        weight, bias = (part * (_TOP / FARTHEST) for part in distance)
        rows = torch.cat([weight, -weight, critic[0]])
        self.project.weight.copy_(rows[:, :, None, None])
        assert self.project.bias is not None
        self.project.bias.copy_(torch.cat([bias, -bias, critic[1]]))

    @torch.no_grad()
    def weigh(self, distance: float, critic: Tensor, bias: float) -> None:
        """Set the head: severity = distance · sum of all deviations + critic · its units + bias."""
        each = torch.full((2 * self.directions,), distance * FARTHEST / _TOP)
        self.head.weight.copy_(torch.cat([each, critic])[None, :, None, None])
        assert self.head.bias is not None
        self.head.bias.fill_(bias)


def grown(taps: list[Tensor]) -> Tensor:
    """Return the features at the finest stride, coarse ones repeated: N×features×h×w."""
    return torch.cat([_repeat(tap, 2**i) for i, tap in enumerate(taps)], 1)


def cells(taps: list[Tensor]) -> Tensor:
    """Return the features of every cell of one picture, as in ``raw``: (rows·cols)×features."""
    return grown(taps)[0].flatten(1).T


def _repeat(x: Tensor, times: int) -> Tensor:
    if times == 1:
        return x
    return functional.interpolate(x, scale_factor=float(times), mode="nearest")
