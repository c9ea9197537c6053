"""The basis of all networks: their input, the contract of a detector, common layers.

All networks take normalised pixels, (pixel - 128) / 64, as float32 N×C×H×W. Detectors are fully
convolutional; the classifier takes 64×64. The normalisation is not part of the network. On the
station it is the scale (1/64) and zero point (128) of the quantised input, which takes the uint8
pixels of the camera. Zero padding is mid-grey, in float and in int8.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PIXEL_ZERO_POINT = 128
PIXEL_SCALE = 1.0 / 64.0
SEVERITY_MAX = 12.0


class DetectorNetwork(nn.Module):
    """A network from pixels to severity: N×C×H×W → N×1×(H/stride)×(W/stride).

    H and W must be multiples of multiple_px. In eval mode ``forward`` returns severity. In training
    mode it returns the input of the loss: severity, or with ``logistic`` the logits of severity /
    12. Several ``stages`` follow one another along the batch. ``raw`` is the part that is
    quantised, with shuffle × shuffle sub-cells as channels.

    A network that ``decides`` also gives the score of the part, on the same scale. Then ``forward``
    returns one row per picture, N×(cells + 1): the cells row by row, and the score last.

    ``fixed_px``: the only height and width of its input; None if it takes any.
    """

    stride_px: int
    multiple_px: int
    shuffle: int = 1
    logistic: bool = False
    stages: int = 1
    decides: bool = False

    @property
    def fixed_px(self) -> tuple[int, int] | None:
        return None

    def raw(self, x: Tensor) -> Tensor:
        """Return the sub-cells, before they are arranged as a map. Every detector overrides it."""
        raise NotImplementedError

    def raw_and_part(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``raw`` and the raw score of the part, N×1×1×1. For networks that decide."""
        raise NotImplementedError

    def load_imagenet(self) -> None:
        """Load the weights of ImageNet. Raises ValueError for a network that has none."""
        raise ValueError(f"{type(self).__name__} has no ImageNet weights")

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return the trained parameters in groups, each with its share of the learning rate."""
        return [(list(self.parameters()), 1.0)]

    def forward(self, x: Tensor) -> Tensor:
        if self.decides:
            raw, part = self.raw_and_part(x)
            x = joined(nn.functional.pixel_shuffle(raw, self.shuffle), part)
        else:
            x = nn.functional.pixel_shuffle(self.raw(x), self.shuffle)
        return SEVERITY_MAX * torch.sigmoid(x) if self.logistic and not self.training else x


def joined(cells: Tensor, part: Tensor) -> Tensor:
    """Return the map N×1×h×w and the part's value N×1×1×1 as one row per picture, N×(h·w + 1)."""
    return torch.cat((cells.flatten(1), part.flatten(1)), 1)


def normalise(pixels: Tensor) -> Tensor:
    """Convert uint8 N×C×H×W to the input of the networks, float32."""
    return (pixels.float() - PIXEL_ZERO_POINT) * PIXEL_SCALE


def conv_bn_relu(
    channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, padding: int | None = None
) -> list[nn.Module]:
    pad = kernel // 2 if padding is None else padding
    return [
        nn.Conv2d(channels_in, channels_out, kernel, stride, pad, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    ]


class ResidualBlock(nn.Module):
    """The basic block of ResNet: conv 3×3, BN, ReLU, conv 3×3, BN, plus the input, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv_bn_relu(channels, channels, 3),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


def mmac(network: nn.Module, channels: int = 1, side_px: int = 256) -> float:
    """Return the million multiply-accumulates of convolutions and linear layers for a square
    picture."""
    total = 0

    def count(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, (nn.Conv2d, nn.Linear))
        total += output.numel() * layer.weight[0].numel()

    hooks = [
        layer.register_forward_hook(count)
        for layer in network.modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear))
    ]
    with torch.no_grad():
        network.eval()(torch.zeros(1, channels, side_px, side_px))
    for hook in hooks:
        hook.remove()
    return total / 1e6
