"""Headroom of the accumulator: ranges of weights for which no processor saturates a sum.

An x86 processor without AVX-512 VNNI or AVX-VNNI multiplies uint8 by int8 with VPMADDUBSW. This
instruction adds two products in 16 bits and saturates the sum at ±32767 (Intel SDM, vol. 2). The
largest sum is 255 · 127 · 2 = 64770. Such a machine would compute other results than the exporting
machine.

The kernel decides which weights form a pair. Therefore the two largest weights of one sign in an
output channel have a sum of at most MOST, so that no pair saturates. Per-channel convolutions are
not limited: their kernels multiply in wider lanes (observed in ONNX Runtime, OpenVINO and LiteRT).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

MOST = 128  # 255 · 128 = 32640; the next larger value could saturate

Weights = npt.NDArray[Any]


def weight_axis(node: onnx.NodeProto) -> int:
    """Return the axis of the output channels in a layer's weights, as in ONNX Runtime."""
    if node.op_type == "Conv":
        return 0
    transposed = any(a.name == "transB" and a.i for a in node.attribute)
    return 0 if node.op_type == "Gemm" and transposed else 1


def sums_pairs(node: onnx.NodeProto, weights: Weights) -> bool:
    """Return true where the kernel may add two products in 16 bits: all but per-channel layers."""
    return node.op_type != "Conv" or weights.shape[1] > 1 or _groups(node) == 1


def pair_sums(weights: Weights, axis: int) -> npt.NDArray[np.float64]:
    """Return for each output channel the largest sum of two weights of one sign, as magnitude."""
    rows = np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1).astype(np.float64)
    if rows.shape[1] == 1:
        rows = np.pad(rows, ((0, 0), (0, 1)))
    up, down = (
        np.partition(np.maximum(side, 0), -2, axis=1)[:, -2:].sum(1) for side in (rows, -rows)
    )
    return np.asarray(np.maximum(up, down), np.float64)


def weight_ranges(
    layer: onnx.NodeProto, weights: Weights, *, per_channel: bool
) -> list[dict[str, Any]] | None:
    """Return a layer's ranges for ONNX Runtime's TensorQuantOverrides; None keeps its own.

    A weight w becomes round(127 w / range). The range is the largest sum of a pair, so that two
    weights have a sum of at most 127 before rounding and at most MOST after it.
    """
    if not sums_pairs(layer, weights):
        return None
    axis = weight_axis(layer)
    sums = pair_sums(weights, axis)
    if not per_channel:
        return [_range(float(sums.max()))]
    return [{"axis": axis, **_range(float(some))} for some in sums]


def overflows(model: onnx.ModelProto) -> tuple[str, ...]:
    """Return the layers of a quantised network whose pairs may saturate, by their weights' names.

    model: the graph of a station or of the quantiser. Layers in float have no pairs.
    """
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    made_by = {name: node for node in model.graph.node for name in node.output}
    layers = []
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        source = made_by.get(node.input[1])
        if source is None or source.op_type != "DequantizeLinear" or source.input[0] not in stored:
            continue
        weights = numpy_helper.to_array(stored[source.input[0]])
        if sums_pairs(node, weights) and pair_sums(weights, weight_axis(node)).max() > MOST:
            layers.append(source.input[0])
    return tuple(layers)


def _range(most: float) -> dict[str, Any]:
    return {"rmin": np.float32(-most), "rmax": np.float32(most)}


def _groups(node: onnx.NodeProto) -> int:
    return next((int(a.i) for a in node.attribute if a.name == "group"), 1)
