"""Outputs of a network with its weights rounded to int8 as in the export, for training.

Source: Jacob et al. 2018 (Quantization and Training of Neural Networks for Efficient Integer-
Arithmetic-Only Inference, CVPR), section 3, for weights only. uint8 activations hardly change these
networks (docs/decisions/0011). The rounding is symmetric and per output channel. Export folds batch
normalisation into the weights, which does not change such a rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

LEVELS = 127  # steps of a channel's range, in each direction


def call_rounded(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return network(inputs) with rounded weights. Gradients ignore the rounding."""
    weights = {
        f"{name}.weight": layer.weight + (rounded(layer) - layer.weight).detach()
        for name, layer in network.named_modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear))
    }
    outputs: Tensor = functional_call(network, weights, (inputs,))
    return outputs


@torch.no_grad()
def rounded(layer: nn.Conv2d | nn.Linear) -> Tensor:
    """Return the layer's weights on their int8 grid, as export/quantisation/headroom.py computes
    it.

    The range of a channel is the sum of its two largest weights of one sign. In a per-channel
    convolution it is the largest weight.
    """
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


@torch.no_grad()
def round_weights(network: nn.Module) -> None:
    """Replace the weights of every convolution by those of ONNX's int8, in place.

    Statistics that are learned from the outputs of a frozen network then hold in int8 too. Rounding
    a second time changes nothing: the two weights that set a channel's step add up to LEVELS steps
    before and after.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.copy_(rounded(layer))
