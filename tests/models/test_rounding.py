"""Training with weights on their int8 grid: the grid is export's, and the gradient goes through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
onnx = pytest.importorskip("onnx", reason="onnx is not installed")

from onnx import numpy_helper  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from export.float_onnx import export_float  # noqa: E402
from export.quantisation.quantise import Range, quantise  # noqa: E402
from models.networks import DetectorNetwork  # noqa: E402
from models.training.fit import Fit, Schedule  # noqa: E402
from models.training.int8_rounding import call_rounded, rounded  # noqa: E402


class Small(DetectorNetwork):
    """A layer of each sort, with batch normalisation that export folds into the weights."""

    stride_px = multiple_px = 1

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 1, 1),
        )

    def raw(self, x: Tensor) -> Tensor:
        return self.body(x)  # type: ignore[no-any-return]


def small() -> Small:
    torch.manual_seed(3)
    network = Small()
    for layer in network.body:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 2.0)
    return network.eval()


def test_weights_are_rounded_as_export_rounds_them() -> None:
    network = small()
    frames = list(np.random.default_rng(0).integers(0, 256, (2, 16, 16)).astype(np.uint8))
    model = quantise(export_float(network, 1), frames, Range(-8, 8))
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    quantised = [name for name in stored if name.endswith("weight_quantized")]
    layers = [layer for layer in network.body if isinstance(layer, nn.Conv2d)]
    assert len(quantised) == len(layers)
    for name, layer in zip(sorted(quantised), layers, strict=True):
        grid = rounded(layer).numpy()
        # The same whole numbers: batch normalisation scales a channel and its grid alike.
        steps = np.abs(grid).reshape(len(grid), -1).max(1) / np.abs(stored[name]).reshape(
            len(grid), -1
        ).max(1)
        whole = grid / steps.reshape(-1, 1, 1, 1)
        np.testing.assert_allclose(whole, stored[name], atol=0.01)


def test_a_linear_layer_and_a_channel_of_zeros() -> None:
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.27, -0.5], [0.0, 0.0, 0.0]]))
    assert rounded(layer).tolist() == [[pytest.approx(1.0), pytest.approx(0.27), -0.5], [0, 0, 0]]


def test_gradients_reach_the_weights_as_if_they_were_not_rounded() -> None:
    network = small()
    inputs = torch.randn(1, 1, 8, 8)
    call_rounded(network, inputs).sum().backward()
    head = network.body[-1].weight
    assert head.grad is not None
    # What the head saw came through rounded weights; its own gradient is its input's.
    assert head.grad.abs().sum() > 0
    plain, changed = network(inputs), call_rounded(network, inputs)
    assert 0 < (plain - changed).abs().max() < 0.1


def _batches(first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
    for step in range(first, last):
        inputs = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(step))
        yield inputs, inputs.abs()


@pytest.mark.parametrize(("share", "steps"), [(0.0, []), (0.25, [6, 7]), (0.9, [*range(1, 8)])])
def test_rounded_share_is_of_the_last_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, steps: list[int]
) -> None:
    called = []

    def noted(network: nn.Module, inputs: Tensor) -> Tensor:
        called.append(int(torch.initial_seed()))  # the loop seeds each step with its number
        return call_rounded(network, inputs)

    monkeypatch.setattr("models.training.fit.call_rounded", noted)
    schedule = Schedule(8, 1e-2, 0.0, 0.0, rounded_share=share)
    network = small()
    Fit(network, nn.functional.mse_loss, schedule, tmp_path / "x.ckpt", "tiny").run(_batches)
    assert called == steps
