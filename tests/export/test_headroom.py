"""The sums of a quantised layer never saturate, on any processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
onnx = pytest.importorskip("onnx", reason="onnx is not installed")

from onnx import helper, numpy_helper  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from export.float_onnx import NORMALISED, RAW, export_float  # noqa: E402
from export.quantisation.headroom import MOST, overflows, pair_sums, weight_ranges  # noqa: E402
from export.quantisation.quantise import Range, Scheme, quantise  # noqa: E402
from models.networks import DetectorNetwork  # noqa: E402

CONV = helper.make_node("Conv", ["x", "w"], ["y"], group=1)
PER_CHANNEL = helper.make_node("Conv", ["x", "w"], ["y"], group=4)


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.just(1)),
        elements=st.floats(-8, 8, width=32),
    ),
    st.booleans(),
)
@settings(deadline=None)
def test_any_two_rounded_weights_of_a_channel_fit_16_bits(
    weights: np.ndarray, per_channel: bool
) -> None:
    ranges = weight_ranges(CONV, weights, per_channel=per_channel)
    assert ranges is not None
    assert len(ranges) == (len(weights) if per_channel else 1)
    for channel, some in zip(weights, ranges * (len(weights) // len(ranges)), strict=True):
        rounded = np.rint(channel.ravel() / (float(some["rmax"]) or 1.0) * 127)
        assert np.abs(rounded).max() <= 127
        for sign in (1, -1):
            two = np.sort(np.maximum(sign * rounded, 0))[-2:]
            assert two.sum() <= MOST


def test_one_large_weight_among_small_ones_keeps_its_eight_bits() -> None:
    (some,) = weight_ranges(
        CONV, np.array([[1.0, 0.1, -0.9]]).reshape(1, 3, 1, 1), per_channel=True
    ) or [{}]
    assert float(some["rmax"]) == pytest.approx(1.1)


def test_per_channel_convolutions_are_left_alone() -> None:
    assert weight_ranges(PER_CHANNEL, np.ones((4, 1, 3, 3)), per_channel=True) is None


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm_by_its_output_channel(transposed: int) -> None:
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=transposed)
    weights = np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 4.0]])
    ranges = weight_ranges(node, weights.T if transposed else weights, per_channel=True)
    assert ranges is not None
    assert [float(some["rmax"]) for some in ranges] == [2.0, 7.0]
    assert pair_sums(weights, 1).tolist() == [2.0, 7.0]


class Bright(DetectorNetwork):
    """Layers whose weights are all alike and positive, on bright frames: the worst case.

    ``shared``: the exporter keeps like weights once, here of a layer that adds pairs and one that
    does not.
    """

    stride_px = multiple_px = 1

    def __init__(self, *, shared: bool = False) -> None:
        super().__init__()
        layers = [
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1, groups=16),
            nn.ReLU(),
            nn.Conv2d(16, 16, 1),
            nn.ReLU(),
            nn.Conv2d(16, 1, 1),
        ]
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                alone = layer.groups > 1 and not shared
                nn.init.constant_(layer.weight, 0.4 if alone else 0.5)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
        self.body = nn.Sequential(*layers)

    def raw(self, x: Tensor) -> Tensor:
        return self.body(x)  # type: ignore[no-any-return]


def _answers(model: Any, level: object, frame: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    values = (frame[None, None].astype(np.float32) - 128) / 64
    return np.asarray(session.run([RAW], {NORMALISED: values})[0])


@pytest.mark.parametrize(("per_channel", "shared"), [(True, False), (False, False), (True, True)])
def test_kernels_compute_as_the_file_defines(per_channel: bool, shared: bool) -> None:
    """Unoptimised, ONNX Runtime multiplies what it dequantised, in float: nothing is cut off."""
    rng = np.random.default_rng(0)
    frames = list(rng.integers(150, 256, (4, 32, 32)).astype(np.uint8))
    model = quantise(
        export_float(Bright(shared=shared), 1),
        frames,
        Range(-1600, 1600),
        Scheme(per_channel=per_channel),
    )
    assert overflows(model) == ()
    level = onnxruntime.GraphOptimizationLevel
    kernels, said = (
        _answers(model, some, frames[0]) for some in (level.ORT_ENABLE_ALL, level.ORT_DISABLE_ALL)
    )
    step = 3200 / 255
    assert np.abs(kernels - said).max() <= 1.01 * step
    assert said.max() - said.min() > 10 * step, "the frame's texture is in the answers"


def test_a_layer_whose_pairs_overflow_is_named() -> None:
    frames = [np.full((32, 32), 255, np.uint8)]
    model = quantise(export_float(Bright(), 1), frames, Range(-800, 800))
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    dense = [name for name in stored if name.endswith("body.4.weight_quantized")]
    per_channel = [name for name in stored if name.endswith("body.2.weight_quantized")]
    for name in (*dense, *per_channel):
        full = np.full(numpy_helper.to_array(stored[name]).shape, 127, np.int8)
        stored[name].CopyFrom(numpy_helper.from_array(full, name))
    assert overflows(model) == tuple(dense)
