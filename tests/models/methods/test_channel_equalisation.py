"""Scaling channels: the network gives what it gave, and every channel uses its range."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")

import torch
from torch import Tensor, nn

from models.methods.channel_equalisation import equalise, widen
from models.networks.efficientnet import EfficientNetLite


@pytest.fixture
def backbone() -> EfficientNetLite:
    torch.manual_seed(1)
    return EfficientNetLite(stages=4).eval()


@pytest.fixture
def pictures() -> list[Tensor]:
    drawn = torch.Generator().manual_seed(2)
    return [torch.randn((1, 1, 64, 64), generator=drawn) for _ in range(2)]


@torch.no_grad()
def _reach(outputs: list[Tensor]) -> list[Tensor]:
    return [output.abs().amax((0, 2, 3)) for output in outputs]


@torch.no_grad()
def test_equalised_channels_reach_one_and_are_only_scaled(
    backbone: EfficientNetLite, pictures: list[Tensor]
) -> None:
    before = [backbone(picture) for picture in pictures]

    equalise(backbone, pictures)

    after = [backbone(picture) for picture in pictures]
    reaches = [torch.stack(pair).amax(0) for pair in zip(*map(_reach, before), strict=True)]
    for was, now in zip(before, after, strict=True):
        for old, new, reach in zip(was, now, reaches, strict=True):
            assert torch.allclose(new, old / reach[None, :, None, None], atol=1e-4)
    for pair in zip(*map(_reach, after), strict=True):
        assert torch.allclose(torch.stack(pair).amax(0), torch.ones(len(pair[0])), atol=1e-4)


@torch.no_grad()
def test_widened_units_use_their_range_and_change_nothing_seen(
    backbone: EfficientNetLite, pictures: list[Tensor]
) -> None:
    before = [output for picture in pictures for output in backbone(picture)]
    unit = next(layer for layer in backbone.stages[1].modules() if isinstance(layer, nn.ReLU6))
    seen: list[Tensor] = []
    unit.register_forward_hook(lambda _layer, _inputs, output: seen.append(output.amax((0, 2, 3))))
    for picture in pictures:
        backbone(picture)
    narrow = torch.stack(seen).amax(0)
    seen.clear()

    widen(backbone, pictures)

    seen.clear()
    after = [output for picture in pictures for output in backbone(picture)]
    wide = torch.stack(seen).amax(0)
    assert all(torch.allclose(*pair, atol=1e-4) for pair in zip(before, after, strict=True))
    assert torch.allclose(wide, (16.0 * narrow).clamp(max=6.0), atol=1e-4)
    assert float(wide.median()) > float(narrow.median())
