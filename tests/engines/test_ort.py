"""ONNX Runtime: its settings, and the networks and providers that it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge.engines.ort import OrtEngine, missing_provider
from edge.errors import BundleError
from tests.engines.networks import (
    BATCH,
    FLOAT,
    SHAPE,
    UINT8,
    network,
    onnx,
    pictures,
    reduced,
    two_outputs,
)

AZURE = "AzureExecutionProvider"  # in every build of ONNX Runtime, and takes no operator itself
CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"


def ort_engine(model: bytes | None = None, **options: Any) -> OrtEngine:
    return OrtEngine(network() if model is None else model, **{**SHAPE, **options})


def test_the_threads_are_those_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    seen = []
    session = onnxruntime.InferenceSession

    def spy(model: bytes, options: Any, **more: Any) -> Any:
        seen.append((options.intra_op_num_threads, options.inter_op_num_threads, more["providers"]))
        return session(model, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", spy)
    ort_engine(threads=3)
    ort_engine()
    assert seen == [(3, 1, [CPU]), (1, 1, [CPU])]


def test_a_quantised_output() -> None:
    engine = ort_engine(network(output=UINT8))
    engine.input[...] = 200
    assert engine.run(2).dtype == np.uint8
    assert (engine.run(2) == 200).all()


def test_providers_are_passed_on_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    if AZURE not in onnxruntime.get_available_providers():
        pytest.skip(f"this build of ONNX Runtime has no {AZURE}")
    seen = []
    session = onnxruntime.InferenceSession

    def spy(model: bytes, options: Any, **more: Any) -> Any:
        seen.append(more["providers"])
        return session(model, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", spy)
    engine = ort_engine(providers=(AZURE, CPU))
    assert seen == [[AZURE, CPU]]
    engine.input[...] = pictures(1)
    np.testing.assert_allclose(engine.run(), pictures(1).mean((1, 2)), rtol=1e-5)


def test_a_missing_provider() -> None:
    with pytest.raises(BundleError) as caught:
        ort_engine(providers=("NoneExecutionProvider", CPU))
    message = "the installed ONNX Runtime has no NoneExecutionProvider; it has "
    assert str(caught.value).startswith(message)
    assert CPU in str(caught.value)
    assert missing_provider((CPU,)) is None
    assert missing_provider(("NoneExecutionProvider",)) == str(caught.value)


def test_a_provider_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """As CUDA on a machine without its libraries: the session is made, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession

    def without(model: bytes, options: Any, providers: list[str], **more: Any) -> Any:
        started = [name for name in providers if name != CUDA]
        return session(model, options, providers=started, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", without)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    with pytest.raises(BundleError, match=f"^{CUDA} does not start; ONNX Runtime has {CPU}$"):
        ort_engine(providers=(CUDA, CPU))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (b"", "ONNX Runtime refuses the network: "),
        (b"no network", "ONNX Runtime refuses the network: "),
        (network()[:-40], "ONNX Runtime refuses the network: "),
        (network(height=32), "does not accept 1×64×64×3: "),
        (network(batch=1), f"does not accept {BATCH}×64×64×3: "),
        (network(kind=onnx.TensorProto.INT8), "must have one uint8 input and one output"),
        (two_outputs(), "must have one uint8 input and one output"),
        (
            network(output=onnx.TensorProto.INT32),
            "output is tensor(int32); expected uint8 or float",
        ),
        (reduced(keepdims=1), "expected 6×…"),
        (reduced(keepdims=0), "the network's output is () for 1×64×64×3"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "network",
)
def test_a_network_that_does_not_fit(model: bytes, message: str) -> None:
    with pytest.raises(BundleError) as caught:
        ort_engine(model)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_channels() -> None:
    with pytest.raises(BundleError, match="does not accept 1×64×64×1: "):
        ort_engine(channels=1)


def test_float_is_the_default_output() -> None:
    assert network() == network(output=FLOAT)
    assert ort_engine().run().dtype == np.float32
