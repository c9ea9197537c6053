"""OpenVINO: its settings, and the networks that it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("openvino", reason="pip install 'outfeed[openvino]'")

import openvino

from edge.engines.openvino import OpenVinoEngine, package
from edge.errors import BundleError
from tests.engines.networks import (
    BATCH,
    SHAPE,
    UINT8,
    convolutions,
    network,
    onnx,
    pictures,
    reduced,
    two_outputs,
)


def engine_of(model: bytes | None = None, **options: Any) -> OpenVinoEngine:
    return OpenVinoEngine(network() if model is None else model, **{**SHAPE, **options})


def test_the_settings_of_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled network reports the same settings."""
    seen = []
    compile_model = openvino.Core.compile_model

    def spy(core: Any, graph: Any, device: str, settings: dict[str, Any]) -> Any:
        made = compile_model(core, graph, device, settings)
        keys = ("PERFORMANCE_HINT", "INFERENCE_NUM_THREADS", "ENABLE_CPU_PINNING", "NUM_STREAMS")
        precision = made.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        seen.append((device, *(made.get_property(key) for key in keys), precision))
        return made

    monkeypatch.setattr(openvino.Core, "compile_model", spy)
    engine_of(threads=1)
    engine_of(threads=2)
    assert [tuple(map(str, each)) for each in seen] == [
        ("CPU", "LATENCY", "1", "False", "1", "f32"),
        ("CPU", "LATENCY", "2", "False", "1", "f32"),
    ]


def test_a_quantised_output() -> None:
    engine = engine_of(network(output=UINT8), group=2)
    engine.input[...] = 200
    assert engine.run(2).dtype == np.uint8
    assert (engine.run(3) == 200).all()


def test_onnx_runtime_and_openvino_agree() -> None:
    from edge.engines.ort import OrtEngine

    shape = {**SHAPE, "batch": 1}
    ours, others = OpenVinoEngine(convolutions(), **shape), OrtEngine(convolutions(), **shape)
    ours.input[...] = others.input[...] = pictures(1)[:1]
    np.testing.assert_allclose(ours.run(), others.run(), rtol=1e-3, atol=1e-2)


def test_a_smaller_shape_of_the_same_file() -> None:
    """As for a frame that is smaller than the bundle's shape."""
    engine = engine_of(convolutions(), batch=1, height=32, width=48)
    assert engine.input.shape == (1, 32, 48, 3)
    assert engine.run().shape == (1, 1, 16, 24)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (b"", "OpenVINO refuses the network: "),
        (b"no network", "OpenVINO refuses the network: "),
        (network()[:-40], "OpenVINO refuses the network: "),
        (network(height=32), "does not accept 6×64×64×3: its input is [?,32,?,3]"),
        (network(batch=1), "does not accept 6×64×64×3: its input is [1,?,?,3]"),
        (network(kind=onnx.TensorProto.INT8), "must have one uint8 input and one output"),
        (two_outputs(), "must have one uint8 input and one output"),
        (network(output=onnx.TensorProto.INT32), "output is i32; expected u8 or f32"),
        (reduced(keepdims=1), "expected 6×…"),
        (reduced(keepdims=0), "the network's output is () for 6×64×64×3"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "network",
)
def test_a_network_that_does_not_fit(model: bytes, message: str) -> None:
    with pytest.raises(BundleError) as caught:
        engine_of(model, group=BATCH)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_channels() -> None:
    with pytest.raises(
        BundleError, match=r"does not accept 1×64×64×1: its input is \[\?,\?,\?,3\]"
    ):
        engine_of(channels=1)


def test_the_library_is_named_with_its_version() -> None:
    assert package() == f"openvino {openvino.__version__.split('-')[0]}"
