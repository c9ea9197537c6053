"""The network of the method `efficientad`: a teacher, a student and an autoencoder.

Source: Batzner et al. 2024 (EfficientAD, WACV), sections 3.1 to 3.3. The three networks are smaller
than those of the paper. Differences are absolute, because int8 networks have no squares.
docs/decisions/0051 has what differs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.base import DetectorNetwork
from models.networks.efficientnet import unit

CELL_PX, MULTIPLE_PX = 8, 32


class EfficientADDetector(DetectorNetwork):
    """Severity for each cell of 8 px: what the student predicts wrongly.

    The student predicts the teacher (first half of its outputs) and the autoencoder (second half).
    Severity is a weighted sum of both mean absolute differences. The network has only convolutions,
    ReLU6, additions, concatenations and repetitions.
    """

    stride_px, multiple_px = CELL_PX, MULTIPLE_PX

    def __init__(
        self, channels: int = 1, *, features: int = 64, width: int = 32, bottleneck: int = 16
    ) -> None:
        """features: number that the teacher returns for each cell.

        width: channels of teacher and student at stride 4; at stride 8 they have twice as many.
        bottleneck: channels of the autoencoder at stride 32.
        """
        super().__init__()
        self.features = features
        self.teacher = patch_description(channels, width, features)
        self.pupils = Pupils(channels, features, width, bottleneck)
        # Both senses, because |d| = ReLU(d) + ReLU(-d).
        self.senses = nn.Conv2d(2 * features, 4 * features, 1, groups=2 * features, bias=False)
        self.head = nn.Conv2d(4 * features, 1, 1)
        with torch.no_grad():
            self.senses.weight[0::2], self.senses.weight[1::2] = 1.0, -1.0
        self.weigh(1.0, 1.0, 0.0)

    def raw(self, x: Tensor) -> Tensor:
        severity: Tensor = self.head(self._differences(x))
        return severity

    def local_and_global(self, x: Tensor) -> Tensor:
        """Return the mean absolute differences from teacher and autoencoder: N×2×h×w."""
        halves = self._differences(x).chunk(2, 1)
        return torch.stack([half.sum(1) / self.features for half in halves], 1)

    @torch.no_grad()
    def standardise(self, mean: Tensor, deviation: Tensor) -> None:
        """Let the teacher return minus its standardised features, given their mean and deviation.

        The sum with the prediction of the student is then the difference.
        """
        last = self.teacher[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        mean, deviation = (each.to(last.weight.device) for each in (mean, deviation))
        last.weight /= -deviation[:, None, None, None]
        last.bias.copy_((mean - last.bias) / deviation)

    @torch.no_grad()
    def weigh(self, local: float, whole: float, bias: float) -> None:
        """Set severity = local · (difference from the teacher) + whole · (… autoencoder) + bias."""
        weights = torch.tensor([local, whole]) / self.features
        self.head.weight.copy_(weights.repeat_interleave(2 * self.features)[None, :, None, None])
        assert self.head.bias is not None
        self.head.bias.fill_(bias)

    def _differences(self, x: Tensor) -> Tensor:
        known = torch.cat([self.teacher(x), self.pupils.autoencoder(x)], 1)
        return functional.relu6(self.senses(self.pupils.student(x) + known))


class Pupils(nn.Module):
    """Student and autoencoder, which are trained together.

    The autoencoder imitates the teacher, so it returns minus standardised features as well. The
    student returns 2·features: predicted features, then minus the output of the autoencoder.
    ``forward`` is that of training: N×3·features×h×w, the student and then the autoencoder.
    """

    def __init__(self, channels: int, features: int, width: int, bottleneck: int) -> None:
        super().__init__()
        self.student = patch_description(channels, width, 2 * features)
        self.autoencoder = FeatureAutoencoder(channels, features, bottleneck)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.student(x), self.autoencoder(x)], 1)


def patch_description(channels: int, width: int, outputs: int) -> nn.Sequential:
    """Return a patch description network: N×outputs for each cell of 8 px, which sees 38 px."""
    return nn.Sequential(
        *unit(channels, width // 2, 4, 2),  # sees 4 px
        *unit(width // 2, width, 4, 2),  # 10 px
        *unit(width, width, 3),  # 18 px
        *unit(width, 2 * width, 4, 2),  # 30 px
        *unit(2 * width, 2 * width, 1),
        nn.Conv2d(2 * width, outputs, 1),
    )


class FeatureAutoencoder(nn.Module):
    """Pixels to the features of each cell of 8 px, through ``bottleneck`` channels at stride 32."""

    WIDTHS = (8, 16, 32, 64, 64)  # of the encoder, at strides 2, 4, 8, 16 and 32
    WIDTH = 64  # of the decoder

    def __init__(self, channels: int, features: int, bottleneck: int) -> None:
        super().__init__()
        sides = (channels, *self.WIDTHS)
        self.encoder = nn.Sequential(
            *(nn.Sequential(*unit(i, o, 4, 2)) for i, o in zip(sides, self.WIDTHS, strict=False)),
            nn.Conv2d(self.WIDTHS[-1], bottleneck, 1),
        )
        self.decoder = nn.ModuleList(
            nn.Sequential(*unit(channels_in, self.WIDTH, 3))
            for channels_in in (bottleneck, self.WIDTH, self.WIDTH)
        )
        self.features = nn.Conv2d(self.WIDTH, features, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.encoder(x)
        for number, layer in enumerate(self.decoder):
            if number:
                x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = layer(x)
        features: Tensor = self.features(x)
        return features
