"""A frozen network's weights, put once and for all where int8 has them."""

from __future__ import annotations

import torch
from torch import nn

from models.training.int8_rounding import rounded


@torch.no_grad()
def round_for_good(network: nn.Module) -> None:
    """Replace every convolution's weights by those that ONNX's int8 will have, in place.

    What is then learnt of the network's answers holds in int8 too. Rounding once more changes
    nothing: the two weights that set a channel's step add up to LEVELS steps before and after.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.copy_(rounded(layer))
