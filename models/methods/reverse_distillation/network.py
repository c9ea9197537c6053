"""The network of the method `reverse-distillation`: features that a student cannot predict.

Source: Deng & Li 2022 (Anomaly Detection via Reverse Distillation from One-Class Embedding, CVPR),
sections 3.1 to 3.3. The teacher is EfficientNet-Lite0 in place of a Wide-ResNet. The deviation is
the mean absolute difference of standardised features in place of the cosine, because int8 networks
have neither a root nor a division (docs/decisions/0046).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.base import DetectorNetwork
from models.networks.efficientnet import STAGES, EfficientNetLite0, EfficientNetStage, unit
from models.networks.efficientnet import InvertedBottleneck as Block

FINE, COARSE = (1, 2), (3, 4)  # the compared stages, at strides 8 (the first pooled) and 16
DEEP = 5  # the stage from which the student predicts; its stride is 32
EXPAND, KERNEL, BLOCKS = 3, 5, 2  # of the student's inverted bottlenecks
SMOOTH = 3  # side in cells of the square over which deviations are averaged
FINE_PX, COARSE_PX, DEEP_PX = 8, 16, 32


class ReverseDistillationDetector(DetectorNetwork):
    """Severity for each cell of 8 px: the deviation of a teacher's features from a prediction.

    The teacher is a frozen network. The student sees only its deepest stage, through a bottleneck,
    and predicts the earlier stages. It was trained on good parts, so it does not predict the
    features of a defect. The deviation along each feature is limited to 6 standard deviations of
    good parts, by ReLU6. The network has only convolutions, additions and repetitions.
    """

    def __init__(self, channels: int = 1, *, width: int = 96, bottleneck: int = 32) -> None:
        """width: channels of the student at stride 16; at stride 8 it has half of them."""
        super().__init__()
        self.stride_px, self.multiple_px = FINE_PX, DEEP_PX
        self.backbone = EfficientNetLite0(channels, stages=DEEP + 1)
        deep, half = STAGES[DEEP].channels, width // 2
        self.enter = nn.Sequential(
            *unit(deep, bottleneck, 1, linear=True), *unit(bottleneck, width, 1, linear=True)
        )
        self.coarse, self.fine = _blocks(width), _blocks(half)
        self.narrow = nn.Conv2d(width, half, 1)
        self.compare = nn.ModuleList(
            StageComparison(STAGES[stage].channels, width if stage in COARSE else half, stage == 1)
            for stage in (*FINE, *COARSE)
        )

    @property
    def comparisons(self) -> list[StageComparison]:
        """The comparison of each stage, in the order of ``teach``."""
        return [each for each in self.compare if isinstance(each, StageComparison)]

    def teach(self, x: Tensor) -> list[Tensor]:
        """Return the features of the teacher: the compared stages, then the deepest one.

        Strides: 8, 8, 16, 16, 32. They are not standardised.
        """
        outputs = self.backbone(x)
        pooled = functional.avg_pool2d(outputs[1], 2)
        return [pooled, *(outputs[stage] for stage in (2, *COARSE, DEEP))]

    def predict(self, deep: Tensor) -> list[Tensor]:
        """Return the standardised features that the student predicts, as ``teach`` orders them."""
        coarse, fine = self._student(deep)
        states = (fine, fine, coarse, coarse)
        return [each.predict(s) for each, s in zip(self.comparisons, states, strict=True)]

    def deviations(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted deviations at strides 8 and 16, each N×1×h×w, before the bias."""
        outputs = self.backbone(x)
        coarse, fine = self._student(outputs[DEEP])
        maps = [
            each(state, outputs[stage])
            for each, state, stage in zip(
                self.comparisons, (fine, fine, coarse, coarse), (*FINE, *COARSE), strict=True
            )
        ]
        return maps[0] + maps[1], maps[2] + maps[3]

    def raw(self, x: Tensor) -> Tensor:
        fine, coarse = self.deviations(x)
        return fine + _enlarge(coarse)

    def load_imagenet(self) -> None:
        self.backbone.load_imagenet()

    @torch.no_grad()
    def standardise(self, means: list[Tensor], deviations: list[Tensor]) -> None:
        """Set the mean and standard deviation of each feature, in the order of ``teach``."""
        for each, mean, deviation in zip(self.comparisons, means, deviations, strict=False):
            each.standardise(mean, deviation)

    @torch.no_grad()
    def weigh(self, fine: float, coarse: float, bias: float) -> None:
        """Set severity = fine · deviation at stride 8 + coarse · deviation at stride 16 + bias.

        A deviation is the mean over its features and over SMOOTH × SMOOTH cells.
        """
        for i, (weight, stages) in enumerate(((fine, FINE), (coarse, COARSE))):
            features = sum(STAGES[stage].channels for stage in stages)
            for k in (2 * i, 2 * i + 1):
                share = weight / (features * SMOOTH**2)
                self.comparisons[k].weigh(share, 0.0 if k else bias)

    def _student(self, deep: Tensor) -> tuple[Tensor, Tensor]:
        coarse = self.coarse(_enlarge(self.enter(deep)))
        return coarse, self.fine(_enlarge(self.narrow(coarse)))


class StageComparison(nn.Module):
    """The deviation of one stage of the teacher from the student's prediction: N×1×h×w."""

    def __init__(self, features: int, width: int, pooled: bool) -> None:
        """pooled: the teacher's stage has twice the resolution, and is averaged over 2×2 cells."""
        super().__init__()
        side = 2 if pooled else 1
        self.predict = nn.Conv2d(width, features, 1)
        # Minus the standardised features: the sum with the prediction is the deviation.
        self.known = nn.Conv2d(features, features, side, side, groups=features)
        # Both senses of the deviation, because |d| = ReLU(d) + ReLU(-d).
        self.senses = nn.Conv2d(features, 2 * features, 1, groups=features, bias=False)
        self.head = nn.Conv2d(2 * features, 1, SMOOTH, padding=SMOOTH // 2)
        with torch.no_grad():
            self.senses.weight[0::2], self.senses.weight[1::2] = 1.0, -1.0

    def forward(self, state: Tensor, features: Tensor) -> Tensor:
        deviation = self.predict(state) + self.known(features)
        return self.head(functional.relu6(self.senses(deviation)))  # type: ignore[no-any-return]

    def standardise(self, mean: Tensor, deviation: Tensor) -> None:
        cells = self.known.weight[0, 0].numel()
        self.known.weight.copy_((-1.0 / (cells * deviation))[:, None, None, None])
        assert self.known.bias is not None
        self.known.bias.copy_(mean / deviation)

    def weigh(self, weight: float, bias: float) -> None:
        self.head.weight.fill_(weight)
        assert self.head.bias is not None
        self.head.bias.fill_(bias)


def _blocks(width: int) -> nn.Sequential:
    stage = EfficientNetStage(BLOCKS, KERNEL, 1, EXPAND, width)
    return nn.Sequential(*(Block(width, stage, 1) for _ in range(BLOCKS)))


def _enlarge(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
