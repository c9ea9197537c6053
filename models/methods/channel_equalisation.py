"""Scaling of channels to an equal range, so that one int8 scale resolves all of them.

Source: cross-layer equalisation after Nagel et al. 2019 (Data-Free Quantization Through Weight
Equalization and Bias Correction, ICCV), section 4.1. The ranges are measured on pictures and not
taken from weights.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from models.networks.efficientnet import EfficientNetLite, InvertedBottleneck

LEAST = 1e-6  # range of a constant channel
TOP = 6.0  # the limit of ReLU6
MOST_GAIN = 16.0  # limit for a channel that hardly changes


@torch.no_grad()
def equalise(backbone: EfficientNetLite, pictures: Iterable[Tensor]) -> None:
    """Scale the channels of every stage's output to reach 1 on the pictures, in place.

    pictures: normalised, 1×C×H×W. The outputs of a stage are linear, so each layer behind reverses
    the scale exactly. Later stages differ by their own scale only. Blocks for one run of every
    picture.
    """
    reach: list[Tensor] = []
    for picture in pictures:
        maxima = [output.abs().amax((0, 2, 3)) for output in backbone(picture)]
        reach = [torch.maximum(*pair) for pair in zip(reach or maxima, maxima, strict=True)]
    scales = [each.clamp(min=LEAST) for each in reach]
    for i, stage in enumerate(backbone.stages):
        assert isinstance(stage, nn.Sequential)
        for k, block in enumerate(stage):
            before = scales[i] if k else scales[i - 1] if i else None
            body = block.body
            assert isinstance(body, nn.Sequential)
            if before is not None:
                _first(body).weight.mul_(before[None, :, None, None])
            last = body[-1]
            assert isinstance(last, nn.BatchNorm2d)
            last.weight.div_(scales[i])
            last.bias.div_(scales[i])


def _first(body: nn.Sequential) -> nn.Conv2d:
    layer = body[0]
    assert isinstance(layer, nn.Conv2d)
    return layer


@torch.no_grad()
def widen(backbone: EfficientNetLite, pictures: Iterable[Tensor]) -> None:
    """Scale the channels of every ReLU6 within a stage to its whole range on the pictures, in
    place.

    pictures: as for ``equalise``. ReLU6 limits values beyond their range. Below it the layer behind
    reverses the scale exactly. Blocks for one run of every picture.
    """
    reach: dict[nn.Module, Tensor] = {}

    def record_maximum(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        maximum = output.amax((0, 2, 3))
        reach[layer] = torch.maximum(reach[layer], maximum) if layer in reach else maximum

    hooks = [
        layer.register_forward_hook(record_maximum)
        for layer in backbone.stages.modules()
        if isinstance(layer, nn.ReLU6)
    ]
    for picture in pictures:
        backbone(picture)
    for hook in hooks:
        hook.remove()
    for block in backbone.modules():
        layers = list(block.body.children()) if isinstance(block, InvertedBottleneck) else []
        for i, layer in enumerate(layers):
            if isinstance(layer, nn.ReLU6):
                gain = (TOP / reach[layer].clamp(min=LEAST)).clamp(1.0, MOST_GAIN)
                before, behind = layers[i - 1], layers[i + 1]
                assert isinstance(before, nn.BatchNorm2d)
                assert isinstance(behind, nn.Conv2d)
                before.weight.mul_(gain)
                before.bias.mul_(gain)
                shape = (-1, 1, 1, 1) if behind.groups > 1 else (1, -1, 1, 1)
                behind.weight.div_(gain.reshape(shape))
