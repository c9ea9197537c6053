"""Training that knows of int8: a network's outputs with its weights rounded as export rounds them.

Jacob et al. 2018 (Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-
Only Inference, CVPR), section 3, for weights alone: uint8 activations cost these networks next to
nothing (docs/decisions/0011). The rounding is per output channel and symmetric, so that batch
normalisation, which export folds into the weights, does not change it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

LEVELS = 127  # of a channel's range, each way


def call_rounded(network: nn.Module, inputs: Tensor) -> Tensor:
    """network(inputs) with rounded weights; gradients reach the weights as if they were not."""
    weights = {
        f"{name}.weight": layer.weight + (rounded(layer) - layer.weight).detach()
        for name, layer in network.named_modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear))
    }
    outputs: Tensor = functional_call(network, weights, (inputs,))
    return outputs


@torch.no_grad()
def rounded(layer: nn.Conv2d | nn.Linear) -> Tensor:
    """The layer's weights on their int8 grid, as export/quantisation/headroom.py has it: a
    channel's range is the sum of its two largest weights of one sign, of a per-channel convolution
    the largest."""
    weight = layer.weight
    rows = weight.flatten(1)
    if isinstance(layer, nn.Conv2d) and layer.groups > 1 and weight.shape[1] == 1:
        reach = rows.abs().amax(1)
    else:
        two = min(2, rows.shape[1])
        up, down = (side.clamp(min=0).topk(two).values.sum(1) for side in (rows, -rows))
        reach = torch.maximum(up, down)
    step = (reach / LEVELS).clamp(min=torch.finfo(weight.dtype).tiny)
    step = step.reshape(-1, *(1,) * (weight.dim() - 1))
    return torch.round(weight / step) * step
