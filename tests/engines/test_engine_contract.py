"""The contract of the protocol Engine, on each implementation."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge.engines.engine import Engine
from tests.engines.networks import BATCH, CHANNELS, SHAPE, SIDE, convolutions, network, pictures


def ort_engine(**options: Any) -> Engine:
    from edge.engines.ort import OrtEngine

    return OrtEngine(network(), **{**SHAPE, **options})


def openvino_engine(**options: Any) -> Engine:
    pytest.importorskip("openvino", reason="pip install 'outfeed[openvino]'")
    from edge.engines.openvino import OpenVinoEngine

    return OpenVinoEngine(network(), **{**SHAPE, **options})


def litert_engine(own_batch: int = 1, **options: Any) -> Engine:
    from edge.engines.litert import LiteRtEngine
    from tests.support import tflite

    return LiteRtEngine(tflite.means(own_batch, SIDE, CHANNELS), **{**SHAPE, **options})


def torch_engine() -> Engine:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    from models.evaluation.float_chain import TorchBlocks
    from models.networks import BlockClassifier

    torch.manual_seed(0)
    return TorchBlocks(BlockClassifier(CHANNELS, kinds=2).eval(), CHANNELS, batch=BATCH)


# Of a run of its own each engine takes 1, all, or as many as do not divide the batch.
ENGINES: dict[str, Callable[[], Engine]] = {
    "ort": ort_engine,
    "openvino-1": openvino_engine,
    "openvino-4": lambda: openvino_engine(group=4),
    "openvino-6": lambda: openvino_engine(group=BATCH),
    "litert-1": litert_engine,
    "litert-4": lambda: litert_engine(4),
    "litert-8": lambda: litert_engine(8),
    "litert-float": lambda: litert_engine(4, dequantise=True),
    "torch": torch_engine,
}
MEANS = [name for name in ENGINES if name != "torch"]  # torch's is a real classifier


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]()


@pytest.fixture(params=MEANS)
def means(request: pytest.FixtureRequest) -> Engine:
    """An engine that gives the mean of each channel, to half a step of grey."""
    return ENGINES[request.param]()


def test_the_input_is_one_buffer_of_the_static_shape(engine: Engine) -> None:
    assert engine.input.shape == (BATCH, SIDE, SIDE, CHANNELS)
    assert engine.input.dtype == np.uint8
    assert engine.input.flags.c_contiguous
    assert engine.input.flags.writeable
    assert engine.input is engine.input


def test_all_or_the_first_few_are_computed(engine: Engine) -> None:
    engine.input[...] = pictures(1)
    whole = engine.run().copy()
    assert whole.shape == (BATCH, 3)
    assert whole.dtype in (np.float32, np.uint8)
    for count in (1, 2, BATCH - 1, BATCH, 1):
        some = engine.run(count)
        assert some.shape == (count, 3)
        np.testing.assert_allclose(some, whole[:count], rtol=1e-5, atol=1e-4)


def test_what_is_computed_is_right(means: Engine) -> None:
    shades = np.arange(BATCH * CHANNELS).reshape(BATCH, 1, 1, CHANNELS) * 15
    means.input[...] = shades
    np.testing.assert_allclose(means.run(), shades[:, 0, 0], atol=0.5)
    means.input[...] = pictures(6)
    np.testing.assert_allclose(means.run(), pictures(6).mean((1, 2)), atol=1.01)


def test_the_same_input_gives_the_same_bytes(engine: Engine) -> None:
    engine.input[...] = pictures(2)
    first = engine.run().tobytes()
    engine.input[...] = pictures(3)
    other = engine.run().tobytes()
    engine.input[...] = pictures(2)
    assert engine.run().tobytes() == first != other


def test_an_input_beyond_count_does_not_matter(engine: Engine) -> None:
    engine.input[...] = pictures(4)
    first = engine.run(2).tobytes()
    engine.input[2:] = 0
    assert engine.run(2).tobytes() == first


def test_a_count_that_is_not_in_the_batch_is_refused(means: Engine) -> None:
    """The engine uses a raw pointer: a count above the batch would read past the buffer."""
    for count in (0, -1, BATCH + 1, 1000):
        with pytest.raises(ValueError, match=f"count is {count}; expected 1 to {BATCH}"):
            means.run(count)
    assert means.run().shape == (BATCH, 3)  # and it still runs


def test_the_output_is_overwritten_and_none_is_allocated(means: Engine) -> None:
    means.input[...] = 7
    one = means.run()
    assert (one == 7).all()
    means.input[...] = 9
    two = means.run()
    assert np.shares_memory(one, two)
    assert (one == 9).all()


def test_a_run_allocates_no_buffer(means: Engine) -> None:
    """numpy reports its buffers to tracemalloc; only the headers of views remain."""
    means.run(2)
    means.run()
    tracemalloc.start()
    try:
        means.run(2)
        means.run()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < means.input[0].nbytes / 4


@pytest.mark.parametrize("name", MEANS)
def test_two_engines_share_nothing(name: str) -> None:
    a, b = ENGINES[name](), ENGINES[name]()
    a.input[...], b.input[...] = 1, 2
    of_a, of_b = a.run(), b.run()
    assert (of_a == 1).all()
    assert (of_b == 2).all()


@pytest.mark.parametrize("name", ["ort", "openvino", "litert"])
def test_the_bytes_do_not_depend_on_the_number_of_threads(name: str) -> None:
    def run(threads: int) -> bytes:
        shape = {**SHAPE, "batch": 1}
        engine: Engine
        if name == "litert":
            from edge.engines.litert import LiteRtEngine
            from tests.support import tflite

            engine = LiteRtEngine(tflite.convolutions(SIDE, CHANNELS), **shape, threads=threads)
        elif name == "openvino":
            pytest.importorskip("openvino", reason="pip install 'outfeed[openvino]'")
            from edge.engines.openvino import OpenVinoEngine

            engine = OpenVinoEngine(convolutions(), **shape, threads=threads)
        else:
            from edge.engines.ort import OrtEngine

            engine = OrtEngine(convolutions(), **shape, threads=threads)
        engine.input[...] = pictures(5)[:1]
        return engine.run().tobytes()

    assert run(1) == run(2) == run(3)
