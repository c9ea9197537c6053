"""torch → ONNX, float32, with free batch, height and width; then the station's input and output.

`export_float` gives the network alone: normalised pixels N×C×H×W → raw output. `station_graph`
makes of it, or of its quantised form, what a station runs: uint8 pixels N×H×W×C → severity.
"""

from __future__ import annotations

import copy
import logging
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from export.quantisation.isolation_forest import add_synthetic_defect
from models.networks import PIXEL_SCALE, PIXEL_ZERO_POINT, BlockClassifier, DetectorNetwork

NORMALISED, RAW = "normalised", "raw"
PIXELS, SEVERITY = "pixels", "severity"
OPSET = 18
LEVELS = 255  # of uint8


@dataclass(frozen=True, slots=True)
class Tail:
    """What a detector does after its raw output.

    sigmoid: severity / 12 is the logistic of the raw value (else the raw value is severity).
    shuffle: the raw channels are shuffle × shuffle sub-cells.
    """

    sigmoid: bool
    shuffle: int


class _RawOutput(nn.Module):
    def __init__(self, network: DetectorNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network.raw(x)


def export_float(network: DetectorNetwork | BlockClassifier, channels: int) -> onnx.ModelProto:
    """The network up to its raw output, in eval mode, as ONNX with inputs `normalised`, `raw`."""
    network.eval()
    dynamic: dict[int, Any] = {0: torch.export.Dim("batch", max=4096)}
    if isinstance(network, BlockClassifier):
        module: nn.Module = network
        side_px = network.size_px
    else:
        module = _RawOutput(network).eval()
        side_px = 8 * network.multiple_px
        for axis, name in ((2, "rows"), (3, "cols")):
            dynamic[axis] = network.multiple_px * torch.export.Dim(name, min=2, max=512)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnx_ir").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations, not ours to mend
        program = torch.onnx.export(
            module,
            (torch.zeros(2, channels, side_px, side_px),),
            dynamo=True,
            input_names=[NORMALISED],
            output_names=[RAW],
            dynamic_shapes=(dynamic,),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    for dimension, name in zip(_dimensions(model), ("batch", "", "height", "width"), strict=True):
        if dimension.dim_param and name:
            dimension.dim_param = name
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.doc_string = ""
    del model.graph.value_info[:]
    add_synthetic_defect(model, network)
    return model


def station_graph(model: onnx.ModelProto, tail: Tail | None) -> onnx.ModelProto:
    """A copy of a float or quantised graph that takes uint8 pixels, batch×height×width×C.

    A quantised graph begins with QuantizeLinear of the normalised pixels at exactly PIXEL_SCALE and
    PIXEL_ZERO_POINT. uint8 pixels are that already, so the node is taken out: an int8 station
    never makes a float copy of the frame. In a float graph a DequantizeLinear is put in.

    tail None: the output stays what it is (a classifier's logits, float32). Otherwise it is one
    plane of severity: uint8 in a quantised graph, severity = 12 / 255 × value; float32 in a float
    one, severity / 12.
    """
    model = copy.deepcopy(model)
    graph = model.graph
    batch, channels, height, width = (
        dimension.dim_param or dimension.dim_value for dimension in _dimensions(model)
    )
    quantises = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    quantised = [node for node in quantises if node.input[0] == NORMALISED]
    head = [helper.make_node("Transpose", [PIXELS], ["planes"], perm=[0, 3, 1, 2])]
    for node in quantised:
        _reconnect(graph, node.output[0], "planes")
        graph.node.remove(node)
    if not quantised:
        scale, zero = (
            _constant(graph, "pixel_scale", PIXEL_SCALE),
            _zero_point(graph, PIXEL_ZERO_POINT),
        )
        head.append(helper.make_node("DequantizeLinear", ["planes", scale, zero], [NORMALISED]))
    for node in reversed(head):
        graph.node.insert(0, node)
    del graph.input[:]
    graph.input.append(
        helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, [batch, height, width, channels])
    )
    if tail is not None:
        # By any of them: the first layer may have stayed in float.
        _append_tail(graph, tail, int8=bool(quantises))
    model.producer_name = "outfeed"
    onnx.checker.check_model(model)
    return model


def _append_tail(graph: onnx.GraphProto, tail: Tail, *, int8: bool) -> None:
    value = RAW
    if tail.sigmoid:
        graph.node.append(helper.make_node("Sigmoid", [value], ["share"]))
        value = "share"
    else:
        low, high = _constant(graph, "severity_low", 0.0), _constant(graph, "severity_high", 12.0)
        top = _constant(graph, "severity_top", 12.0)
        graph.node.append(helper.make_node("Clip", [value, low, high], ["clipped"]))
        graph.node.append(helper.make_node("Div", ["clipped", top], ["share"]))
        value = "share"
    if int8:
        # ORT runs DequantizeLinear → Sigmoid → QuantizeLinear as one look-up of 256 bytes.
        scale, zero = _constant(graph, "share_scale", 1.0 / LEVELS), _zero_point(graph, 0)
        graph.node.append(helper.make_node("QuantizeLinear", [value, scale, zero], ["stored"]))
        value = "stored"
    if tail.shuffle > 1:
        # CRD is torch's PixelShuffle.
        graph.node.append(
            helper.make_node(
                "DepthToSpace", [value], ["shuffled"], blocksize=tail.shuffle, mode="CRD"
            )
        )
        value = "shuffled"
    graph.node.append(helper.make_node("Identity", [value], [SEVERITY]))
    del graph.output[:]
    kind = TensorProto.UINT8 if int8 else TensorProto.FLOAT
    shape = ["batch", 1, "map_height", "map_width"]
    graph.output.append(helper.make_tensor_value_info(SEVERITY, kind, shape))


def _dimensions(model: onnx.ModelProto) -> Any:
    return model.graph.input[0].type.tensor_type.shape.dim


def _reconnect(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = new


def _constant(graph: onnx.GraphProto, name: str, value: float) -> str:
    graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    return name


def _zero_point(graph: onnx.GraphProto, value: int) -> str:
    name = f"zero_point_{value}"
    graph.initializer.append(numpy_helper.from_array(np.array(value, np.uint8), name))
    return name
