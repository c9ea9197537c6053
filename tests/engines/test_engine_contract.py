"""What every Engine promises, on each implementation there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge.engines.engine import Engine
from edge.engines.ort import OrtEngine
from edge.errors import BundleError

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

BATCH, SIDE, CHANNELS = 6, 64, 3
FLOAT, UINT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8


def network(
    *,
    batch: int | str = "batch",
    height: int | str = "height",
    kind: int = FLOAT,
    output: int = FLOAT,
    nodes: list[Any] | None = None,
) -> bytes:
    """ONNX: uint8 N×H×W×3 → the mean of each channel, N×3."""
    make = onnx.helper.make_node
    nodes = nodes or [
        make("Cast", ["pixels"], ["values"], to=FLOAT),
        make("ReduceMean", ["values"], ["means"], axes=[1, 2], keepdims=0),
        make("Cast", ["means"], ["logits"], to=output),
    ]
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "means",
        [info("pixels", UINT8 if kind == FLOAT else kind, [batch, height, "width", CHANNELS])],
        [info("logits", output, None)],
    )
    opset = onnx.helper.make_opsetid("", 17)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def convolutions(seed: int = 0) -> bytes:
    """ONNX: a small network with convolutions, float: something that threads can share."""
    rng = np.random.default_rng(seed)
    make, tensor = onnx.helper.make_node, onnx.numpy_helper.from_array
    info = onnx.helper.make_tensor_value_info
    shapes = {"w1": (16, CHANNELS, 3, 3), "w2": (16, 16, 3, 3), "w3": (1, 16, 1, 1)}
    graph = onnx.helper.make_graph(
        [
            make("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
            make("Cast", ["planes"], ["values"], to=FLOAT),
            make("Conv", ["values", "w1"], ["a"], strides=[2, 2], pads=[1] * 4),
            make("Relu", ["a"], ["b"]),
            make("Conv", ["b", "w2"], ["c"], pads=[1] * 4),
            make("Relu", ["c"], ["d"]),
            make("Conv", ["d", "w3"], ["out"]),
        ],
        "convolutions",
        [info("pixels", UINT8, ["batch", "height", "width", CHANNELS])],
        [info("out", FLOAT, ["batch", 1, "rows", "columns"])],
        [tensor(rng.normal(0, 0.1, s).astype(np.float32), k) for k, s in shapes.items()],
    )
    opset = onnx.helper.make_opsetid("", 17)
    data: bytes = onnx.helper.make_model(
        graph, opset_imports=[opset], ir_version=8
    ).SerializeToString()
    return data


def ort_engine(model: bytes | None = None, **options: Any) -> OrtEngine:
    shape = {"batch": BATCH, "height": SIDE, "width": SIDE, "channels": CHANNELS}
    return OrtEngine(model or network(), **{**shape, **options})


def torch_engine() -> Engine:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    from models.float_chain import TorchBlocks
    from models.networks import BlockClassifier

    torch.manual_seed(0)
    return TorchBlocks(BlockClassifier(CHANNELS, kinds=2).eval(), CHANNELS, batch=BATCH)


@pytest.fixture(params=[ort_engine, torch_engine], ids=["ort", "torch"])
def engine(request: pytest.FixtureRequest) -> Engine:
    make: Callable[[], Engine] = request.param
    return make()


def pictures(seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    shape = (BATCH, SIDE, SIDE, CHANNELS)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


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


def test_ort_refuses_a_count_that_is_not_in_the_batch() -> None:
    """It hands ORT a bare pointer: a count above the batch would read past the buffer."""
    engine = ort_engine()
    for count in (0, -1, BATCH + 1, 1000):
        with pytest.raises(ValueError, match=f"count is {count}; expected 1 to {BATCH}"):
            engine.run(count)
    assert engine.run().shape == (BATCH, 3)  # and it still runs


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


def test_ort_overwrites_its_output_and_allocates_none() -> None:
    engine = ort_engine()
    engine.input[...] = 7
    one = engine.run()
    assert (one == 7).all()
    engine.input[...] = 9
    two = engine.run()
    assert np.shares_memory(one, two)
    assert (one == 9).all()


def test_two_ort_engines_share_nothing() -> None:
    a, b = ort_engine(), ort_engine()
    a.input[...], b.input[...] = 1, 2
    of_a, of_b = a.run(), b.run()
    assert (of_a == 1).all()
    assert (of_b == 2).all()


def test_ort_gives_the_same_bytes_on_any_number_of_threads() -> None:
    answers = set()
    for threads in (1, 2, 3):
        engine = ort_engine(convolutions(), batch=1, threads=threads)
        engine.input[...] = pictures(5)[:1]
        answers.add(engine.run().tobytes())
    assert len(answers) == 1


def test_ort_uses_the_threads_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    seen = []
    session = onnxruntime.InferenceSession

    def spy(model: bytes, options: Any, **more: Any) -> Any:
        seen.append((options.intra_op_num_threads, options.inter_op_num_threads))
        return session(model, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", spy)
    ort_engine(threads=3)
    ort_engine()
    assert seen == [(3, 1), (1, 1)]


def test_ort_takes_a_quantised_output() -> None:
    engine = ort_engine(network(output=UINT8))
    engine.input[...] = 200
    assert engine.run(2).dtype == np.uint8
    assert (engine.run(2) == 200).all()


def _two_outputs() -> bytes:
    model = onnx.load_from_string(network())
    model.graph.output.append(onnx.helper.make_tensor_value_info("means", FLOAT, None))
    data: bytes = model.SerializeToString()
    return data


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (b"", "ONNX Runtime refuses the network: "),
        (b"no network", "ONNX Runtime refuses the network: "),
        (network()[:-40], "ONNX Runtime refuses the network: "),
        (network(height=32), "does not take 1×64×64×3: "),
        (network(kind=FLOAT, batch=1), "does not take 6×64×64×3: "),
        (network(kind=onnx.TensorProto.INT8), "must have one uint8 input and one output"),
        (_two_outputs(), "must have one uint8 input and one output"),
        (
            network(output=onnx.TensorProto.INT32),
            "output is tensor(int32); expected uint8 or float",
        ),
        (
            network(
                nodes=[
                    onnx.helper.make_node("Cast", ["pixels"], ["values"], to=FLOAT),
                    onnx.helper.make_node("ReduceMean", ["values"], ["logits"], keepdims=1),
                ]
            ),
            "expected 6×…",
        ),
        (
            network(
                nodes=[
                    onnx.helper.make_node("Cast", ["pixels"], ["values"], to=FLOAT),
                    onnx.helper.make_node("ReduceMean", ["values"], ["logits"], keepdims=0),
                ]
            ),
            "the network makes () of 1×64×64×3",
        ),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "network",
)
def test_ort_refuses_a_network_that_does_not_fit(model: bytes, said: str) -> None:
    with pytest.raises(BundleError) as caught:
        ort_engine(model) if model else OrtEngine(b"", batch=1, height=8, width=8, channels=1)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ort_refuses_other_channels() -> None:
    with pytest.raises(BundleError, match="does not take 1×64×64×1: "):
        ort_engine(channels=1)
