"""The rounding of a backbone's activations while a method learns from them."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")

import torch
from torch import Tensor, nn

from models.methods.int8_activations import BLOCK, STEPS, UNIT, int8_activations
from models.networks.efficientnet import EfficientNetLite, InvertedBottleneck


@pytest.fixture
def backbone() -> EfficientNetLite:
    torch.manual_seed(0)
    return EfficientNetLite(1, stages=2).eval()


@pytest.fixture
def x() -> Tensor:
    return torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(1)) * 3


def _whole_steps(values: Tensor, size: float) -> bool:
    steps = values * (STEPS / size)
    return bool((steps - steps.round()).abs().max() < 1e-3)


@torch.no_grad()
@pytest.mark.parametrize(("kind", "size"), [(nn.ReLU6, UNIT), (InvertedBottleneck, BLOCK)])
def test_every_such_layer_has_whole_steps(
    backbone: EfficientNetLite, x: Tensor, kind: type[nn.Module], size: float
) -> None:
    layers = [layer for layer in backbone.modules() if type(layer) is kind]
    seen: list[Tensor] = []
    with int8_activations(backbone):
        for layer in layers:
            layer.register_forward_hook(lambda _layer, _inputs, output: seen.append(output))
        backbone(x)

    assert len(seen) == len(layers) > 1
    assert all(_whole_steps(values, size) for values in seen)
    assert not all(bool((values == 0).all()) for values in seen)


@torch.no_grad()
def test_the_backbone_is_as_before_afterwards(backbone: EfficientNetLite, x: Tensor) -> None:
    before = backbone(x)

    def fail() -> list[Tensor]:
        with int8_activations(backbone):
            rounded: list[Tensor] = backbone(x)
            assert not torch.equal(rounded[0], before[0])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert all(torch.equal(*pair) for pair in zip(backbone(x), before, strict=True))
