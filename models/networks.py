"""The networks: the paper's detector, Outfeed's lean detector, and the block classifier.

All take N×C×H×W float32 *normalised* pixels, (pixel - 128) / 64, and are fully convolutional
(detectors) or fixed at 64×64 (classifier). The normalisation is not part of the network: on the
station it is the scale (1/64) and zero point (128) of the quantised input, so uint8 pixels go in
as the camera gave them. Zero padding then stands for mid-grey, in float and in int8 alike.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

PIXEL_ZERO_POINT = 128
PIXEL_SCALE = 1.0 / 64.0
SEVERITY_MAX = 12.0


class DetectorNetwork(nn.Module):
    """A network from pixels to severity: N×C×H×W → N×1×(H/stride)×(W/stride).

    H and W must be multiples of multiple_px. In training mode ``forward`` gives what the loss
    takes: severity itself, or where ``logistic`` is set the logits of severity / 12. In eval mode
    it gives severity. ``raw`` is the part that is quantised: shuffle × shuffle sub-cells as
    channels.
    """

    stride_px: int
    multiple_px: int
    shuffle: int = 1
    logistic: bool = False

    def raw(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pixel_shuffle(self.raw(x), self.shuffle)
        return SEVERITY_MAX * torch.sigmoid(x) if self.logistic and not self.training else x


class ResidualUnit(nn.Module):
    """Two BN → conv → ReLU units would be ResNet-18's; the paper's has three convolutions.

    He & Liu 2020, Fig. 4 names BN, convolution and ReLU; its Tables 2 and 3 list seven
    convolutions per stage. They fit two residual units of three convolutions (1×1 reduce, 5×5,
    5×5 widen) whose first has a 1×1 projection on the shortcut (the table's conv4), as ResNet has
    wherever the width changes. See docs/decisions/0002.
    """

    def __init__(self, channels_in: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _bn_conv_relu(channels_in, narrow, 1),
            _bn_conv_relu(narrow, narrow, 5),
            _bn_conv_relu(narrow, wide, 5),
        )
        self.shortcut = (
            nn.Identity() if channels_in == wide else nn.Conv2d(channels_in, wide, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)  # type: ignore[no-any-return]


class PaperDetector(DetectorNetwork):
    """The detection network of He & Liu 2020, Tables 1 to 3. The reference, not what is shipped.

    resolution 4 is the published network: severity per 4×4 cell. For resolution 2 the paper gives
    no table; here the second average pooling is left out (docs/decisions/0002).
    """

    def __init__(self, channels: int = 1, resolution: Literal[2, 4] = 4) -> None:
        super().__init__()
        self.stride_px = resolution
        self.multiple_px = resolution
        self.conv1 = nn.Conv2d(channels, 16, 5, padding=2)
        self.pool1 = nn.AvgPool2d(3, 2, padding=1, count_include_pad=False)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1)
        self.stage1 = nn.Sequential(ResidualUnit(16, 8, 32), ResidualUnit(32, 8, 32))
        self.pool2: nn.Module = (
            nn.AvgPool2d(3, 2, padding=1, count_include_pad=False)
            if resolution == 4
            else nn.Identity()
        )
        self.stage2 = nn.Sequential(ResidualUnit(32, 16, 64), ResidualUnit(64, 16, 64))
        self.conv3 = nn.Conv2d(64, 512, 3, padding=1)
        self.conv4 = nn.Conv2d(512, 1, 1)

    def raw(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.conv2(self.pool1(x)))
        x = self.pool2(self.stage1(x))
        x = torch.relu(self.conv3(self.stage2(x)))
        return self.conv4(x)  # type: ignore[no-any-return]


class LeanBlock(nn.Module):
    """conv 3×3, BN, ReLU, conv 3×3, BN, plus the input, ReLU (ResNet's basic block)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_conv_bn_relu(channels, channels, 3),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class LeanDetector(DetectorNetwork):
    """Outfeed's first lean network: few wide layers at stride 8 and 16, severity per 2×2 cell.

    4×4/4 patchify stem, a 3×3/2 to stride 8, context at stride 16 (two residual blocks, a
    receptive field of about 200 px) added back at stride 8, one residual block; its output is
    shuffled up to stride 4, where the stem's detail is added, and a last thin convolution gives the
    2×2 sub-cells. Time goes where the int8 kernels are best, into channels that are multiples of 16
    at strides 8 and 16; a crack 2 px wide still has a path of its own.
    """

    shuffle = 2
    logistic = True

    def __init__(self, channels: int = 1, width: int = 64, context: int = 96) -> None:
        super().__init__()
        self.stride_px = 2
        self.multiple_px = 16
        self.stem = nn.Sequential(*_conv_bn_relu(channels, 48, 4, stride=4, padding=0))
        self.down = nn.Sequential(*_conv_bn_relu(48, width, 3, stride=2))
        self.context = nn.Sequential(
            *_conv_bn_relu(width, context, 3, stride=2),
            LeanBlock(context),
            LeanBlock(context),
            nn.Conv2d(context, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.Upsample(scale_factor=2, mode="nearest"),
        )
        self.fuse = LeanBlock(width)
        self.up = nn.Sequential(
            nn.Conv2d(width, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.PixelShuffle(2)
        )
        self.detail = nn.Sequential(nn.Conv2d(48, 16, 1, bias=False), nn.BatchNorm2d(16))
        self.head = nn.Conv2d(16, 4, 3, padding=1)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
        self.head.bias = nn.Parameter(torch.full((4,), -3.0))  # 0.6: most cells are sound

    def raw(self, x: Tensor) -> Tensor:
        fine = self.stem(x)
        x = self.down(fine)
        x = self.fuse(torch.relu(x + self.context(x)))
        return self.head(torch.relu(self.up(x) + self.detail(fine)))  # type: ignore[no-any-return]


class BlockClassifier(nn.Module):
    """64×64 block → N kinds + background (class 0). Logits, N×(kinds + 1).

    The paper uses ResNet-101 here; a block costs more then than ten frames of the lean detector.
    This one has 14 MMAC.
    """

    size_px = 64

    def __init__(self, channels: int = 1, kinds: int = 1, dropout: float = 0.2) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_conv_bn_relu(channels, 32, 4, stride=4, padding=0),
            LeanBlock(32),
            *_conv_bn_relu(32, 64, 3, stride=2),
            LeanBlock(64),
            *_conv_bn_relu(64, 96, 3, stride=2),
            LeanBlock(96),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(96, kinds + 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.dropout(self.pool(self.features(x)).flatten(1)))  # type: ignore[no-any-return]


def build_detector(network: str, channels: int, resolution: int) -> PaperDetector | LeanDetector:
    """The detector that a recipe names. Raises ValueError for a name or resolution there is not."""
    if network == "paper" and resolution in (2, 4):
        return PaperDetector(channels, 4 if resolution == 4 else 2)
    if network == "lean" and resolution == 2:
        return LeanDetector(channels)
    raise ValueError(f"no network '{network}' with resolution {resolution}: paper (2, 4), lean (2)")


def normalise(pixels: Tensor) -> Tensor:
    """uint8 N×C×H×W → what the networks take."""
    return (pixels.float() - PIXEL_ZERO_POINT) * PIXEL_SCALE


def _conv_bn_relu(
    channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, padding: int | None = None
) -> list[nn.Module]:
    pad = kernel // 2 if padding is None else padding
    return [
        nn.Conv2d(channels_in, channels_out, kernel, stride, pad, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    ]


def _bn_conv_relu(channels_in: int, channels_out: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(channels_in),
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2),
        nn.ReLU(),
    )
