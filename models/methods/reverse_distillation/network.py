"""The network of the method `reverse-distillation`: features that a student cannot predict.

Source: Deng & Li 2022 (Anomaly Detection via Reverse Distillation from One-Class Embedding, CVPR),
sections 3.1 to 3.3. The teacher is EfficientNet-Lite in place of a Wide-ResNet. The deviation is
the mean absolute difference of standardised features in place of the cosine, because int8 networks
have neither a root nor a division. The critic is after Liu et al. 2023 (SimpleNet, CVPR), section
3.3. docs/decisions/0046 has the trials.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.base import DetectorNetwork
from models.networks.efficientnet import EfficientNetLite, EfficientNetStage, unit
from models.networks.efficientnet import InvertedBottleneck as Block

FINE, COARSE = (1, 2), (3, 4)  # the compared stages, at strides 8 (the first pooled) and 16
DEEP = 5  # the stage from which the student predicts; its stride is 32
EXPAND, KERNEL, BLOCKS = 3, 5, 2  # of the student's inverted bottlenecks
SMOOTH = 3  # side in cells of the square over which deviations are averaged
FINE_PX, COARSE_PX, DEEP_PX = 8, 16, 32
TOP = 6.0  # the limit of ReLU6
FARTHEST = 3.0  # mean deviation, in standard deviations, at which it is limited


class ReverseDistillationDetector(DetectorNetwork):
    """Severity for each cell of 8 px: what a student cannot predict of a teacher's features.

    The teacher is a frozen network. The student sees only its deepest stage, through a bottleneck,
    and predicts the earlier stages. It was trained on good parts, so it does not predict the
    features of a defect. Severity is the sum of the mean deviation at either stride, and of a
    critic of ``units`` ReLU6 units. The critic was trained with synthetic defects. It sees the
    deviation of each feature and the feature itself, limited to 6 standard deviations of good parts
    and averaged over SMOOTH × SMOOTH cells. The network has only convolutions, ReLU6, additions,
    concatenations and repetitions.

    ``widths``: number of compared features at either stride. ``features``: number that the critic
    sees of a cell.
    """

    def __init__(
        self,
        channels: int = 1,
        *,
        backbone: str = "lite0",
        width: int = 96,
        bottleneck: int = 32,
        units: int = 32,
    ) -> None:
        """width: channels of the student at stride 16; at stride 8 it has half of them."""
        super().__init__()
        self.stride_px, self.multiple_px, self.units = FINE_PX, DEEP_PX, units
        self.backbone = EfficientNetLite(channels, variant=backbone, stages=DEEP + 1)
        known = self.backbone.widths
        self.widths = tuple(sum(known[stage] for stage in stages) for stages in (FINE, COARSE))
        self.features = 4 * sum(self.widths)
        deep, half = known[DEEP], width // 2
        self.enter = nn.Sequential(
            *unit(deep, bottleneck, 1, linear=True), *unit(bottleneck, width, 1, linear=True)
        )
        self.coarse, self.fine = _blocks(width), _blocks(half)
        self.narrow = nn.Conv2d(width, half, 1)
        self.compare = nn.ModuleList(
            StageComparison(known[stage], width if stage in COARSE else half, stage == 1)
            for stage in (*FINE, *COARSE)
        )
        self.smooth = nn.ModuleList(_mean(4 * features) for features in self.widths)
        # Two mean deviations, then the units of the critic. In one layer with its ReLU6: a sum per
        # stride would need a wide range, in which int8 has no steps for the mean deviations.
        self.hidden = nn.Conv2d(self.features, 2 + units, 1)
        self.head = nn.Conv2d(2 + units, 1, 1)

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

    def raw(self, x: Tensor) -> Tensor:
        return self.raw_of(self.backbone(x))

    def raw_of(self, outputs: list[Tensor]) -> Tensor:
        """Return ``raw`` from the outputs of the backbone."""
        severity: Tensor = self.head(self._units_of(outputs))
        return severity

    def units_of(self, x: Tensor) -> Tensor:
        """Return the mean deviations and the critic's units, before the head: N×(2+units)×h×w."""
        return self._units_of(self.backbone(x))

    def cell_features(self, x: Tensor) -> Tensor:
        """Return what the critic sees of each cell of one picture: (rows·cols)×features."""
        return self._maps(self.backbone(x))[0].flatten(1).T

    def load_imagenet(self) -> None:
        self.backbone.load_imagenet()

    @torch.no_grad()
    def standardise(self, means: list[Tensor], deviations: list[Tensor]) -> None:
        """Set the mean and standard deviation of each feature, in the order of ``teach``."""
        for each, mean, deviation in zip(self.comparisons, means, deviations, strict=False):
            each.standardise(mean, deviation)

    @torch.no_grad()
    def set_hidden(self, weight: Tensor, bias: Tensor) -> None:
        """Set the critic's units: weight units×features and bias units, on ``cell_features``."""
        fine, coarse = self.mean_deviations()
        means = torch.zeros(2, self.features)
        means[0, : len(fine)], means[1, len(fine) :] = fine, coarse
        rows = torch.cat([means * (TOP / FARTHEST), weight])
        self.hidden.weight.copy_(rows[:, :, None, None])
        assert self.hidden.bias is not None
        self.hidden.bias.copy_(torch.cat([torch.zeros(2), bias]))

    @torch.no_grad()
    def weigh(self, weights: Tensor, bias: float) -> None:
        """Set severity = weights · ``units_of`` + bias. weights: 2 + units."""
        self.head.weight.copy_(weights[None, :, None, None])
        assert self.head.bias is not None
        self.head.bias.fill_(bias)

    def mean_deviations(self) -> list[Tensor]:
        """Return the weights of the mean deviation at strides 8 and 16, each 4·features.

        They apply to the channels of ``StageComparison`` of the stages of a stride.
        """
        return [self.is_deviation(i).float() / count for i, count in enumerate(self.widths)]

    def is_deviation(self, stride: int) -> Tensor:
        """Return which features of the critic are deviations: bool, 4·features of stride 0 or 1."""
        marks = []
        for stage in (FINE, COARSE)[stride]:
            count = 2 * self.backbone.widths[stage]
            marks += [torch.ones(count, dtype=torch.bool), torch.zeros(count, dtype=torch.bool)]
        return torch.cat(marks)

    def _units_of(self, outputs: list[Tensor]) -> Tensor:
        return functional.relu6(self.hidden(self._maps(outputs)))

    def _maps(self, outputs: list[Tensor]) -> Tensor:
        """Return the smoothed features for the critic: N×features×h×w at stride 8."""
        coarse, fine = self._student(outputs[DEEP])
        parts = [
            each(state, outputs[stage])
            for each, state, stage in zip(
                self.comparisons, (fine, fine, coarse, coarse), (*FINE, *COARSE), strict=True
            )
        ]
        at_fine, at_coarse = (
            smooth(torch.cat(pair, 1))
            for smooth, pair in zip(self.smooth, (parts[:2], parts[2:]), strict=True)
        )
        return torch.cat([at_fine, _enlarge(at_coarse)], 1)

    def _student(self, deep: Tensor) -> tuple[Tensor, Tensor]:
        coarse = self.coarse(_enlarge(self.enter(deep)))
        return coarse, self.fine(_enlarge(self.narrow(coarse)))


class StageComparison(nn.Module):
    """One stage of the teacher beside the student's prediction of it: N×4·features×h×w.

    The channels are the deviation of each feature, in both senses, then the standardised feature,
    in both senses. All are limited to 6.
    """

    def __init__(self, features: int, width: int, pooled: bool) -> None:
        """pooled: the teacher's stage has twice the resolution, and is averaged over 2×2 cells."""
        super().__init__()
        side = 2 if pooled else 1
        self.predict = nn.Conv2d(width, features, 1)
        # Minus the standardised features: the sum with the prediction is the deviation.
        self.known = nn.Conv2d(features, features, side, side, groups=features)
        # Both senses, because |d| = ReLU(d) + ReLU(-d).
        self.senses = nn.ModuleList(
            nn.Conv2d(features, 2 * features, 1, groups=features, bias=False) for _ in range(2)
        )
        with torch.no_grad():
            for each in self.senses:
                assert isinstance(each, nn.Conv2d)
                each.weight[0::2], each.weight[1::2] = 1.0, -1.0

    def forward(self, state: Tensor, features: Tensor) -> Tensor:
        known = self.known(features)
        deviation = self.predict(state) + known
        pairs = zip(self.senses, (deviation, known), strict=True)
        return torch.cat([functional.relu6(sense(each)) for sense, each in pairs], 1)

    def standardise(self, mean: Tensor, deviation: Tensor) -> None:
        cells = self.known.weight[0, 0].numel()
        self.known.weight.copy_((-1.0 / (cells * deviation))[:, None, None, None])
        assert self.known.bias is not None
        self.known.bias.copy_(mean / deviation)


def _mean(channels: int) -> nn.Conv2d:
    """Return the mean of each channel over SMOOTH × SMOOTH cells; beyond the rim it takes zeros."""
    layer = nn.Conv2d(channels, channels, SMOOTH, padding=SMOOTH // 2, groups=channels, bias=False)
    nn.init.constant_(layer.weight, 1.0 / SMOOTH**2)
    return layer


def _blocks(width: int) -> nn.Sequential:
    stage = EfficientNetStage(BLOCKS, KERNEL, 1, EXPAND, width)
    return nn.Sequential(*(Block(width, stage, 1) for _ in range(BLOCKS)))


def _enlarge(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
