"""Channels that reach equally far, so that one int8 scale for all of them resolves each.

Cross-layer equalisation after Nagel et al. 2019 (Data-Free Quantization Through Weight Equalization
and Bias Correction, ICCV), section 4.1, by what the channels reach on pictures instead of weights.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from models.networks.efficientnet import EfficientNetLite0, InvertedBottleneck

LEAST = 1e-6  # of a channel that never moves
TOP = 6.0  # of ReLU6
MOST_GAIN = 16.0  # a channel that hardly moves is not all that counts


@torch.no_grad()
def equalise(backbone: EfficientNetLite0, pictures: Iterable[Tensor]) -> None:
    """Scale the channels of every stage's output to reach 1 on the pictures, in place.

    pictures: normalised, 1×C×H×W. A stage's outputs are linear, so each layer behind takes the
    scale back exactly: later stages give what they gave, but for their own scale. Blocks for one
    run of every picture.
    """
    reach: list[Tensor] = []
    for picture in pictures:
        found = [output.abs().amax((0, 2, 3)) for output in backbone(picture)]
        reach = [torch.maximum(*pair) for pair in zip(reach or found, found, strict=True)]
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
def widen(backbone: EfficientNetLite0, pictures: Iterable[Tensor]) -> None:
    """Let the channels of every ReLU6 within a stage use its whole range on the pictures, in place.

    pictures: as for ``equalise``. What passes their reach is cut off, as ReLU6 cuts; short of that
    the layer behind takes the scale back exactly. Blocks for one run of every picture.
    """
    reach: dict[nn.Module, Tensor] = {}

    def seen(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        found = output.amax((0, 2, 3))
        reach[layer] = torch.maximum(reach[layer], found) if layer in reach else found

    hooks = [
        layer.register_forward_hook(seen)
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
