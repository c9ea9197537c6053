"""Layers that several of the networks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class ConvNorm(nn.Module):
    """A convolution without bias, batch normalisation and an activation.

    It pads by half of the kernel. activation: by default ReLU; None for none.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        groups: int = 1,
        activation: type[nn.Module] | None = nn.ReLU,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self.activation = nn.Identity() if activation is None else activation()

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.activation(self.norm(self.conv(x)))
        return output


def fused(network: nn.Module) -> nn.Module:
    """Return the network in eval mode, with every normalisation inside its convolution.

    A normalisation follows the convolution before it, in the order in which a module names them.
    """
    network.eval()
    for module in network.modules():
        before: tuple[str, nn.Conv2d] | None = None
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d) and before is not None:
                setattr(module, before[0], fuse_conv_bn_eval(before[1], child))
                setattr(module, name, nn.Identity())
            before = (name, child) if isinstance(child, nn.Conv2d) else None
    return network


def weights_of(network: nn.Module) -> int:
    """Return the number of trainable weights."""
    return sum(each.numel() for each in network.parameters())


def same_size(x: Tensor, like: Tensor, mode: str = "bilinear") -> Tensor:
    """Return x enlarged to the rows and columns of another tensor."""
    size = (like.shape[2], like.shape[3])
    corners = None if mode == "nearest" else False
    return torch.nn.functional.interpolate(x, size=size, mode=mode, align_corners=corners)
