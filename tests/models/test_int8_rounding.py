"""Weights on their int8 grid: rounding them again changes nothing."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")

import torch
from torch import nn

from models.training.int8_rounding import round_weights, rounded


def _layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 32, 6, 4),
        nn.Conv2d(32, 32, 3, groups=32),
        nn.Conv2d(32, 64, 1),
        nn.Conv2d(64, 8, 3, bias=False),
    )


def test_rounding_again_changes_nothing() -> None:
    layers, before = _layers(), _layers()
    round_weights(layers)

    for layer, old in zip(layers, before, strict=True):
        assert not torch.equal(layer.weight, old.weight)
        assert torch.allclose(rounded(layer), layer.weight, rtol=1e-5, atol=1e-7)


def test_a_channel_of_zeros_stays() -> None:
    layer = nn.Conv2d(4, 2, 1)
    with torch.no_grad():
        layer.weight.zero_()
    round_weights(nn.Sequential(layer))

    assert not layer.weight.any()
