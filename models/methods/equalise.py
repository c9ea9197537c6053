"""Channels that reach equally far, so that one int8 scale for all of them resolves each.

Cross-layer equalisation after Nagel et al. 2019 (Data-Free Quantization Through Weight Equalization
and Bias Correction, ICCV), section 4.1, by what the channels reach on pictures instead of weights.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from models.networks.efficientnet import EfficientNetLite0

LEAST = 1e-6  # of a channel that never moves


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
