"""Bias correction: what rounding weights shifts is taken out again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed")
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from export.float_onnx import NORMALISED, RAW, export_float
from export.quantisation import quantise as module
from export.quantisation.bias import channel_means
from export.quantisation.quantise import CALIBRATIONS, Calibration, Quantiser, Scheme
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


@pytest.mark.parametrize("calibration", CALIBRATIONS)
@pytest.mark.parametrize("per_channel", [True, False])
def test_the_shift_is_gone(calibration: Calibration, per_channel: bool) -> None:
    torch.manual_seed(0)
    graph = export_float(PerChannel().eval(), 1)
    rng = np.random.default_rng(0)
    frames = [rng.integers(90, 170, (32, 32), np.uint8) for _ in range(8)]
    unseen = rng.integers(90, 170, (32, 32), np.uint8)
    wanted = values(graph, unseen)
    quantiser = Quantiser(graph, frames)
    scheme = Scheme(calibration, per_channel)
    corrected = values(quantiser.quantise(scheme), unseen)
    plain = values(quantiser.quantise(replace(scheme, corrected=False)), unseen)
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))  # the rim sees padding
    before = abs(float((plain - wanted)[inside].mean()))
    after = abs(float((corrected - wanted)[inside].mean()))
    assert before > 0.02, "the network must have a shift to correct"
    assert after < before / 4


def test_no_more_frames_are_read_than_a_mean_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def count(model: onnx.ModelProto, feeds: Any) -> dict[str, Any]:
        feeds = list(feeds)
        seen.append(len(feeds))
        return channel_means(model, feeds)

    monkeypatch.setattr(module, "channel_means", count)
    monkeypatch.setattr(module, "CORRECTION_FRAMES", 3)
    graph = export_float(PerChannel().eval(), 1)
    frames = [np.full((16, 16), 100 + i, np.uint8) for i in range(5)]
    quantiser = Quantiser(graph, frames)
    quantiser.quantise(Scheme(corrected=False))
    quantiser.quantise()
    quantiser.quantise(Scheme("percentile"))
    assert seen == [3], "once, whatever the number of schemes"
