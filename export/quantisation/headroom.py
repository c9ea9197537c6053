"""Weights that no processor adds up wrongly.

Without AVX-512 VNNI or AVX-VNNI an x86 multiplies uint8 by int8 with VPMADDUBSW, which adds two
products in 16 bits and cuts the sum off at ±32767 (Intel SDM, vol. 2): 255 · 127 · 2 is 64770.
What such a machine computes is then not what the file says, and not what the exporting machine
computed. Which weights meet in a pair is the kernel's affair. So the two largest of one sign in an
output channel add up to at most MOST: whatever the pairs, nothing is cut off. Per-channel
convolutions are left alone: their kernels multiply in wider lanes (seen in ONNX Runtime and
OpenVINO), and so do LiteRT's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

MOST = 128  # 255 · 128 = 32640; one more may be cut off

Weights = npt.NDArray[Any]


def weight_axis(node: onnx.NodeProto) -> int:
    """Which axis of a layer's weights is the output channel, as ONNX Runtime's quantiser has it."""
    if node.op_type == "Conv":
        return 0
    transposed = any(a.name == "transB" and a.i for a in node.attribute)
    return 0 if node.op_type == "Gemm" and transposed else 1


def sums_pairs(node: onnx.NodeProto, weights: Weights) -> bool:
    """Whether the layer's kernel may add two products in 16 bits: all but per-channel ones."""
    return node.op_type != "Conv" or weights.shape[1] > 1 or _groups(node) == 1


def pair_sums(weights: Weights, axis: int) -> npt.NDArray[np.float64]:
    """Per output channel the larger sum, in magnitude, of its two largest weights of one sign."""
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
    """The layer's ranges as ONNX Runtime's TensorQuantOverrides has them; None: its own will do.

    A weight w becomes round(127 w / range). The range is the pair's sum, so that two of them are
    at most 127 before they are rounded and MOST after.
    """
    if not sums_pairs(layer, weights):
        return None
    axis = weight_axis(layer)
    sums = pair_sums(weights, axis)
    if not per_channel:
        return [_range(float(sums.max()))]
    return [{"axis": axis, **_range(float(some))} for some in sums]


def overflows(model: onnx.ModelProto) -> tuple[str, ...]:
    """The layers of a quantised network whose pairs may be cut off, by the name of their weights.

    The station's graph and the quantiser's alike; layers in float have no pairs.
    """
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    made_by = {name: node for node in model.graph.node for name in node.output}
    found = []
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        source = made_by.get(node.input[1])
        if source is None or source.op_type != "DequantizeLinear" or source.input[0] not in stored:
            continue
        weights = numpy_helper.to_array(stored[source.input[0]])
        if sums_pairs(node, weights) and pair_sums(weights, weight_axis(node)).max() > MOST:
            found.append(source.input[0])
    return tuple(found)


def _range(most: float) -> dict[str, Any]:
    return {"rmin": np.float32(-most), "rmax": np.float32(most)}


def _groups(node: onnx.NodeProto) -> int:
    return next((int(a.i) for a in node.attribute if a.name == "group"), 1)
