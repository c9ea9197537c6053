"""Activations of a frozen backbone rounded as in int8, so that what learns from them sees them so.

On an even surface the rounding of the first layer alone is as large as the noise of a camera. A
critic of features that has not seen it takes it for a defect.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from models.networks.efficientnet import EfficientNetLite, InvertedBottleneck

STEPS = 255
UNIT = 6.0  # range of a ReLU6
BLOCK = 2.0  # range of a block's output after `equalise`: -1 to 1


@contextmanager
def int8_activations(backbone: EfficientNetLite) -> Iterator[None]:
    """Round the outputs of every ReLU6 and block of a backbone until the context ends.

    backbone: of `freeze_backbone`. Values beyond the range of a block are not limited.
    """
    ranges = {nn.ReLU6: UNIT, InvertedBottleneck: BLOCK}
    hooks = [
        layer.register_forward_hook(_Rounding(ranges[type(layer)]))
        for layer in backbone.modules()
        if type(layer) in ranges
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _Rounding:
    """A hook that rounds the output of a layer to STEPS steps of a range."""

    def __init__(self, size: float) -> None:
        self._step = size / STEPS

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return torch.round(output / self._step) * self._step
