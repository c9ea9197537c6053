"""Bias correction: remove the shift that rounded weights cause in a quantised network.

A per-channel kernel has nine weights. On an even surface all nine multiply the same value, so their
rounding errors add up to a constant. The next layers cannot distinguish it from a signal. The
expected shift, ΔW · E[x], is subtracted from the bias. Source: Nagel et al. 2019 (Data-Free
Quantization through Weight Equalization and Bias Correction, ICCV), section 4.2. Here E[x] comes
from calibration frames.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import numpy_helper

Array = npt.NDArray[np.float32]


def correct_bias(
    prepared: onnx.ModelProto, quantised: onnx.ModelProto, means: dict[str, Array]
) -> onnx.ModelProto:
    """Return a copy of a quantised (QDQ) network with corrected biases of its convolutions.

    prepared: the float network from which it was made, with the same names of tensors. means: the
    result of `channel_means`. A convolution without a bias, or in float, stays unchanged.
    """
    corrected = onnx.ModelProto.FromString(quantised.SerializeToString())
    floats = {tensor.name: tensor for tensor in prepared.graph.initializer}
    stored = {tensor.name: tensor for tensor in corrected.graph.initializer}
    made_by = {node.output[0]: node for node in corrected.graph.node}
    for node in prepared.graph.node:
        if node.op_type != "Conv" or node.input[1] not in floats:
            continue
        weight = stored.get(f"{node.input[1]}_quantized")
        twin = _reader(corrected.graph, f"{node.input[1]}_DequantizeLinear_Output")
        if weight is None or twin is None or len(twin.input) < 3:
            continue
        exact = numpy_helper.to_array(floats[node.input[1]])
        scale = numpy_helper.to_array(stored[f"{node.input[1]}_scale"])
        # The zero point of weights is 0: they are symmetric.
        rounded = numpy_helper.to_array(weight).astype(np.float32) * scale.reshape(-1, 1, 1, 1)
        change = (rounded - exact).sum((2, 3))  # out × in of each group
        mean = means[node.input[0]]
        per_group = change.shape[1]
        groups = len(mean) // per_group
        inputs = mean.reshape(groups, per_group).repeat(len(change) // groups, 0)
        shift = (change * inputs).sum(1)
        bias, unit = (stored[name] for name in made_by[twin.input[2]].input[:2])
        levels = numpy_helper.to_array(bias) - shift / numpy_helper.to_array(unit)
        limits = np.iinfo(np.int32)
        whole = np.clip(np.rint(levels), limits.min, limits.max).astype(np.int32)
        bias.CopyFrom(numpy_helper.from_array(whole, bias.name))
    return corrected


def _reader(graph: onnx.GraphProto, tensor: str) -> onnx.NodeProto | None:
    return next((n for n in graph.node if n.op_type == "Conv" and n.input[1] == tensor), None)


def channel_means(model: onnx.ModelProto, feeds: Iterable[dict[str, Array]]) -> dict[str, Array]:
    """Return the mean per channel of the input of every convolution, by the input's name.

    The mean is over all frames and positions. feeds: inputs of calibration frames, one at a time.
    Only sums are stored, so the memory does not grow with the number of frames.
    """
    names = sorted({node.input[0] for node in model.graph.node if node.op_type == "Conv"})
    inner = [name for name in names if name not in {value.name for value in model.graph.input}]
    watched = onnx.ModelProto.FromString(model.SerializeToString())
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    sums: dict[str, Array] = {}
    count = 0
    for feed in feeds:
        inputs = {**dict(zip(inner, session.run(inner, feed), strict=True)), **feed}
        for name, values in inputs.items():
            mean = values.mean((0, 2, 3))
            sums[name] = sums[name] + mean if name in sums else mean
        count += 1
    return {name: (total / count).astype(np.float32) for name, total in sums.items()}
