"""ResNet and Wide ResNet as teachers of features: names and shapes of torchvision and timm.

Source: He et al. 2016 (CVPR), in the variant of both libraries with the stride in the 3×3
convolution of a bottleneck; Zagoruyko & Komodakis 2016 (BMVC) for Wide ResNet.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

CLASSES = 1000  # of ImageNet; a state with another head, or without one, is accepted too
_WIDTHS = (64, 128, 256, 512)


@dataclass(frozen=True, slots=True)
class ResNetSizes:
    """The sizes of a variant.

    blocks: of each of the four layers. is_bottleneck: blocks of three convolutions, not two.
    base_width: inner channels of the first layer; 128 for Wide-ResNet-50-2.
    """

    blocks: tuple[int, int, int, int]
    is_bottleneck: bool
    base_width: int = 64


RESNETS = {
    "resnet18": ResNetSizes((2, 2, 2, 2), False),
    "resnet34": ResNetSizes((3, 4, 6, 3), False),
    "resnet50": ResNetSizes((3, 4, 6, 3), True),
    "wide_resnet50_2": ResNetSizes((3, 4, 6, 3), True, 128),
}


class _Block(nn.Module):
    """A residual block. Its parts are named as in the published states."""

    def __init__(self, channels_in: int, width: int, stride: int, sizes: ResNetSizes) -> None:
        super().__init__()
        out = width * 4 if sizes.is_bottleneck else width
        inner = width * sizes.base_width // 64
        kernels: tuple[tuple[int, int, int, int], ...]
        if sizes.is_bottleneck:
            kernels = ((channels_in, inner, 1, 1), (inner, inner, 3, stride), (inner, out, 1, 1))
        else:
            kernels = ((channels_in, width, 3, stride), (width, width, 3, 1))
        self.count = len(kernels)
        for number, (before, after, kernel, step) in enumerate(kernels, start=1):
            convolution = nn.Conv2d(before, after, kernel, step, kernel // 2, bias=False)
            setattr(self, f"conv{number}", convolution)
            setattr(self, f"bn{number}", nn.BatchNorm2d(after))
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.downsample is None else self.downsample(x)
        for number in range(1, self.count + 1):
            x = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x))
            x = functional.relu(x if number < self.count else x + kept)
        return x


class ResNet(nn.Module):
    """A ResNet: pictures normalised as for ImageNet, float32 N×3×H×W, to features.

    ``forward`` returns the outputs of layers 2 and 3, at strides 8 and 16. Layer 4 and the head
    exist for the names of their weights and are not run.
    """

    multiple_px = 1

    def __init__(self, sizes: ResNetSizes) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        channels = 64
        out = [width * 4 if sizes.is_bottleneck else width for width in _WIDTHS]
        for number, (width, count) in enumerate(zip(_WIDTHS, sizes.blocks, strict=True), start=1):
            blocks = []
            for place in range(count):
                stride = 2 if number > 1 and place == 0 else 1
                blocks.append(_Block(channels, width, stride, sizes))
                channels = out[number - 1]
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, CLASSES)
        self.widths = (out[1], out[2])

    def forward(self, x: Tensor) -> list[Tensor]:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.max_pool2d(x, 3, 2, 1)
        x = self.get_submodule("layer1")(x)
        outputs = []
        for number in (2, 3):
            x = self.get_submodule(f"layer{number}")(x)
            outputs.append(x)
        return outputs
