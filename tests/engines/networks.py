"""Small ONNX networks with known results, for tests of engines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

BATCH, SIDE, CHANNELS = 6, 64, 3
SHAPE: dict[str, Any] = {"batch": BATCH, "height": SIDE, "width": SIDE, "channels": CHANNELS}
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


def two_outputs() -> bytes:
    """``network`` with the means as another output."""
    model = onnx.load_from_string(network())
    model.graph.output.append(onnx.helper.make_tensor_value_info("means", FLOAT, None))
    data: bytes = model.SerializeToString()
    return data


def reduced(keepdims: int) -> bytes:
    """ONNX: the mean of everything, batch and all: no network for an engine."""
    make = onnx.helper.make_node
    return network(
        nodes=[
            make("Cast", ["pixels"], ["values"], to=FLOAT),
            make("ReduceMean", ["values"], ["logits"], keepdims=keepdims),
        ]
    )


def pictures(seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A whole batch of noise."""
    shape = (BATCH, SIDE, SIDE, CHANNELS)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
