"""ViT-B/16 as a teacher of features, with the parameter names of timm.

Source: Dosovitskiy et al. 2021 (ICLR). ``from_torchvision`` renames the parameters of a state of
torchvision, which holds the same network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH, DEPTH, HEADS, PATCH_PX = 768, 12, 12, 16
GRID = 14  # positions a side of a picture of 224 px
_EPS = 1e-6

# Names of torchvision below encoder.layers.encoder_layer_N, and those of timm below blocks.N.
_RENAMED = {
    "ln_1": "norm1",
    "self_attention.in_proj_": "attn.qkv.",
    "self_attention.out_proj": "attn.proj",
    "ln_2": "norm2",
    "mlp.0": "mlp.fc1",
    "mlp.3": "mlp.fc2",
    "mlp.linear_1": "mlp.fc1",  # of states before torchvision 0.13
    "mlp.linear_2": "mlp.fc2",
}
_OUTSIDE = {
    "class_token": "cls_token",
    "encoder.pos_embedding": "pos_embed",
    "conv_proj.": "patch_embed.proj.",
    "encoder.ln.": "norm.",
    "heads.head.": "head.",
}


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        count, tokens, _ = x.shape
        split = self.qkv(x).reshape(count, tokens, 3, HEADS, WIDTH // HEADS)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(count, tokens, WIDTH))
        return out


class _Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, 4 * WIDTH)
        self.fc2 = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return out


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, eps=_EPS)
        self.attn = _Attention()
        self.norm2 = nn.LayerNorm(WIDTH, eps=_EPS)
        self.mlp = _Layers()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class _Patches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, WIDTH, PATCH_PX, PATCH_PX)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.proj(x)
        return out


class VisionTransformer(nn.Module):
    """ViT-B/16: pictures normalised as for ImageNet, float32 N×3×H×W, to features.

    ``forward`` returns one output N×768×(H/16)×(W/16): the tokens of the last block. H and W must
    be multiples of multiple_px. Positions are interpolated for other sizes than that of the state.
    grid: positions a side in the state.
    """

    multiple_px = PATCH_PX
    widths = (WIDTH,)

    def __init__(self, grid: int = GRID) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid**2, WIDTH))
        self.patch_embed = _Patches()
        self.blocks = nn.Sequential(*(_Block() for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH, eps=_EPS)

    def forward(self, x: Tensor) -> list[Tensor]:
        planes = self.patch_embed(x)
        height, width = planes.shape[2:]
        tokens = planes.flatten(2).transpose(1, 2)
        first = self.cls_token.expand(len(x), -1, -1)
        tokens = torch.cat((first, tokens), 1) + self._positions(height, width)
        tokens = self.norm(self.blocks(tokens))[:, 1:]
        return [tokens.transpose(1, 2).reshape(len(x), WIDTH, height, width)]

    def _positions(self, height: int, width: int) -> Tensor:
        first, rest = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        side = round(rest.shape[1] ** 0.5)
        if (height, width) == (side, side):
            return self.pos_embed
        planes = rest.transpose(1, 2).reshape(1, WIDTH, side, side)
        planes = functional.interpolate(planes, (height, width), mode="bicubic")
        return torch.cat((first, planes.flatten(2).transpose(1, 2)), 1)


def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under the names of timm. Other names stay as they are."""
    return {_renamed(name): value for name, value in state.items()}


def _renamed(name: str) -> str:
    found = re.fullmatch(r"encoder\.layers\.encoder_layer_(\d+)\.(.+)", name)
    if found is not None:
        for old, new in _RENAMED.items():
            if found[2].startswith(old):
                return f"blocks.{found[1]}.{new}{found[2].removeprefix(old)}"
        return name
    for old, new in _OUTSIDE.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
