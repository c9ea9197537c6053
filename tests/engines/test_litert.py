"""LiteRT: types and scales of inputs and outputs, and the networks that it refuses."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="pip install 'outfeed[litert]'")

from edge.engines import litert
from edge.engines.litert import LiteRtEngine
from edge.errors import BundleError
from tests.engines.networks import BATCH, CHANNELS, SHAPE, SIDE, pictures
from tests.support import tflite


def engine_of(model: bytes | None = None, **options: Any) -> LiteRtEngine:
    model = tflite.means(1, SIDE, CHANNELS) if model is None else model
    return LiteRtEngine(model, **{**SHAPE, **options})


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize("output", [np.int8, np.uint8, np.float32])
@pytest.mark.parametrize("dequantise", [False, True])
def test_every_type_in_and_out(kind: Any, output: Any, dequantise: bool) -> None:
    """The quantised output stands for grey by a scale of 2 and a zero point of its own."""
    zero_point = -100 if output is np.int8 else 28
    model = tflite.means(4, SIDE, CHANNELS, kind=kind, output=output, quantised=(2.0, zero_point))
    engine = engine_of(model, dequantise=dequantise)
    shades = (np.arange(BATCH, dtype=np.uint8) * 40)[:, None] + np.zeros(CHANNELS, np.uint8)
    engine.input[...] = shades[:, None, None]
    found = engine.run()
    if dequantise or output is np.float32:
        assert found.dtype == np.float32
        assert np.array_equal(found, shades)
    else:
        # As uint8 the zero point is 28 either way: -100 + 128.
        assert found.dtype == np.uint8
        assert np.array_equal(found, shades // 2 + 28)


def test_the_plane_of_a_detector() -> None:
    """severity = scale * (value - zero_point), by the numbers of the manifest."""
    engine = LiteRtEngine(
        tflite.dark_detector(96, 128, 0.05), batch=1, height=96, width=128, channels=1
    )
    engine.input[...] = 160
    engine.input[0, 10:20, 30:40] = 64
    engine.input[0, 50:60, 30:40] = 0
    severity = engine.run().reshape(48, 64) * 0.05
    assert severity[5:10, 15:20] == pytest.approx(6.0, abs=0.05)
    assert severity[25:30, 15:20] == pytest.approx(12.0, abs=0.05)
    assert severity[35:].max() == 0


def test_the_threads_are_those_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(**options: Any) -> Any:
        seen.append(options["num_threads"])
        return interpreter(**options)

    interpreter = litert.Interpreter  # type: ignore[attr-defined]
    monkeypatch.setattr(litert, "Interpreter", spy)
    engine_of(threads=3)
    engine_of()
    assert seen == [3, 1]


def test_no_view_of_a_tensor_outlives_a_run() -> None:
    """LiteRT refuses to run while a view exists."""
    engine = engine_of()
    held = [engine.run(), engine.input, engine.run(3)]
    engine.input[...] = pictures(1)
    assert engine.run().shape == (BATCH, CHANNELS)
    assert len(held) == 3


def test_the_output_lives_longer_than_the_engine() -> None:
    engine = engine_of()
    engine.input[...] = 77
    found = engine.run()
    del engine
    assert (found == 77).all()


def test_logits_without_a_scale() -> None:
    network = tflite.Network()
    pixels = network.input((1, SIDE, SIDE, CHANNELS))
    model = network.data(network.reduce(pixels, "MEAN", [1, 2], None))
    with pytest.raises(BundleError, match="the network's output has no scale"):
        engine_of(model, dequantise=True)


def _two_inputs() -> bytes:
    network = tflite.Network()
    network.input((1, SIDE, SIDE, CHANNELS))
    return network.data(network.reduce(network.input((1, SIDE, SIDE, CHANNELS)), "MEAN", [1, 2]))


def _of_type(kind: Any) -> bytes:
    network = tflite.Network()
    return network.data(network.input((1, SIDE, SIDE, CHANNELS), kind=kind))


def _whole_mean() -> bytes:
    network = tflite.Network()
    pixels = network.input((2, SIDE, SIDE, CHANNELS))
    return network.data(network.reduce(pixels, "MEAN", [0, 1, 2]))


def _int16_out() -> bytes:
    network = tflite.Network()
    pixels = network.input((1, SIDE, SIDE, CHANNELS))
    return network.data(network.quantise(pixels, np.int16, (1.0, 0)))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (b"", "LiteRT refuses the network: "),
        (b"no network", "LiteRT refuses the network: "),
        (tflite.means(1, SIDE, CHANNELS)[:-40], "LiteRT refuses the network: "),
        (tflite.means(1, 32, CHANNELS), "the network's input is 1×32×32×3; expected n×64×64×3"),
        (tflite.means(1, SIDE, 1), "the network's input is 1×64×64×1; expected n×64×64×3"),
        (_two_inputs(), "must have one input and one output"),
        (_of_type(np.float32), "input is float32; expected int8 or uint8"),
        (_int16_out(), "output is int16; expected int8, uint8 or float32"),
        (_whole_mean(), "the network's output is (3,) for (2, 64, 64, 3); expected 2×…"),
    ],
    ids=lambda value: value[:32] if isinstance(value, str) else "network",
)
def test_a_network_that_does_not_fit(model: bytes, message: str) -> None:
    with pytest.raises(BundleError) as caught:
        engine_of(model)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def only_the_predecessor(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that has tflite-runtime and no ai-edge-litert; LiteRT answers for it."""
    package, module = types.ModuleType("tflite_runtime"), types.ModuleType("interpreter")
    module.Interpreter = litert.Interpreter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", package)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", module)
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"of {name}")
    yield
    monkeypatch.undo()
    importlib.reload(litert)


@pytest.mark.usefixtures("only_the_predecessor")
def test_the_predecessor_serves_where_only_it_is_there() -> None:
    found = importlib.reload(litert)
    assert found.package() == "tflite-runtime of tflite-runtime"
    engine = found.LiteRtEngine(tflite.means(1, SIDE, CHANNELS), **SHAPE)
    engine.input[...] = 5
    assert (engine.run() == 5).all()
