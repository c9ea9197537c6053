"""Bias correction: what rounding weights shifts is taken out again."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed")
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from export import quantise as module
from export.float_onnx import NORMALISED, RAW, export_float
from export.quantise import quantise
from models.networks import DetectorNetwork


class PerChannel(DetectorNetwork):
    """Per-channel kernels of which eight weights all round the same way, beside a large one."""

    stride_px = multiple_px = 1

    def __init__(self) -> None:
        super().__init__()
        self.widen = nn.Conv2d(1, 8, 1)
        self.spread = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.narrow = nn.Conv2d(8, 1, 1)
        with torch.no_grad():
            self.widen.weight.fill_(0.2)
            self.widen.bias = nn.Parameter(torch.linspace(1, 3, 8))
            self.spread.weight.fill_(0.3 / 127)
            self.spread.weight[:, :, 1, 1] = 1.0
            self.narrow.weight.fill_(0.125)

    def raw(self, x: Tensor) -> Tensor:
        return self.narrow(torch.relu(self.spread(torch.relu(self.widen(x)))))  # type: ignore[no-any-return]


def values(model: onnx.ModelProto, frame: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    pixels = (frame[None, None].astype(np.float32) - 128) / 64
    return np.asarray(session.run([RAW], {NORMALISED: pixels})[0])


@pytest.mark.parametrize("calibration", ["minmax", "percentile"])
def test_the_shift_is_gone(calibration: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    graph = export_float(PerChannel().eval(), 1)
    rng = np.random.default_rng(0)
    frames = [rng.integers(90, 170, (32, 32), np.uint8) for _ in range(8)]
    unseen = rng.integers(90, 170, (32, 32), np.uint8)
    wanted = values(graph, unseen)
    corrected = values(quantise(graph, frames, None, calibration), unseen)  # type: ignore[arg-type]
    with monkeypatch.context() as patch:
        patch.setattr(module, "correct_bias", lambda _prepared, quantised, _feeds: quantised)
        plain = values(quantise(graph, frames, None, calibration), unseen)  # type: ignore[arg-type]
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))  # the rim sees padding
    before = abs(float((plain - wanted)[inside].mean()))
    after = abs(float((corrected - wanted)[inside].mean()))
    assert before > 0.02, "the network must have a shift to correct"
    assert after < before / 4


def test_no_more_frames_are_read_than_a_mean_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def count(_prepared: object, quantised: onnx.ModelProto, feeds: object) -> onnx.ModelProto:
        seen.append(sum(1 for _ in feeds))  # type: ignore[attr-defined]
        return quantised

    monkeypatch.setattr(module, "correct_bias", count)
    monkeypatch.setattr(module, "CORRECTION_FRAMES", 3)
    graph = export_float(PerChannel().eval(), 1)
    frames = [np.full((16, 16), 100 + i, np.uint8) for i in range(5)]
    quantise(graph, frames, None)
    assert seen == [3]
