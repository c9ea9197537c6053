"""Conversion of a network from torch to float32 ONNX, and to the graph that a station runs.

`export_float` converts the network alone: normalised pixels N×C×H×W to raw output, with free batch,
height and width. `station_graph` adds the input and output of a station to that graph or to its
quantised form: uint8 pixels N×H×W×C to severity.
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

from models.methods.texture.outlier_network import TREE_NODE, IsolationForest
from models.networks import PIXEL_SCALE, PIXEL_ZERO_POINT, BlockClassifier, DetectorNetwork

NORMALISED, RAW = "normalised", "raw"
RAW_PART = "raw_part"  # the second output of a network with a decision head
PIXELS, SEVERITY = "pixels", "severity"
OPSET = 18
LEVELS = 255  # the largest value of uint8


@dataclass(frozen=True, slots=True)
class Tail:
    """The steps from a detector's raw output to severity.

    sigmoid: severity / 12 is the logistic of the raw value; otherwise the raw value is severity.
    shuffle: the raw channels are shuffle × shuffle cells of the severity map. part: the graph has a
    second output, the raw score of the part. The station's output is then one row: the cells of the
    map, and the score last.
    """

    sigmoid: bool
    shuffle: int
    part: bool = False


def tail_of(network: DetectorNetwork) -> Tail:
    """Return the steps from the raw output of a network to severity."""
    return Tail(network.logistic, network.shuffle, network.decides)


class _RawOutput(nn.Module):
    def __init__(self, network: DetectorNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return self.network.raw_and_part(x) if self.network.decides else self.network.raw(x)


def export_float(network: DetectorNetwork | BlockClassifier, channels: int) -> onnx.ModelProto:
    """Convert a network up to its raw output to ONNX, with the input `normalised` and output `raw`.

    A network with a decision head has the output `raw_part` too. Height and width are free, except
    for a network with one size of input. Sets the network to eval mode. Blocks for some seconds.
    """
    network.eval()
    outputs = [RAW]
    dynamic: dict[int, Any] = {0: torch.export.Dim("batch", max=4096)}
    if isinstance(network, BlockClassifier):
        module: nn.Module = network
        size = network.size_px, network.size_px
    else:
        module = _RawOutput(network).eval()
        outputs += [RAW_PART] if network.decides else []
        fixed = network.fixed_px
        size = fixed or (8 * network.multiple_px,) * 2
        for axis, name in ((2, "rows"), (3, "cols")) if fixed is None else ():
            dynamic[axis] = network.multiple_px * torch.export.Dim(name, min=2, max=512)
    model = traced(
        module,
        torch.zeros(2, channels, *size),
        input_names=[NORMALISED],
        output_names=outputs,
        dynamic_shapes=(dynamic,),
    )
    for dimension, name in zip(_dimensions(model), ("batch", "", "height", "width"), strict=True):
        if dimension.dim_param and name:
            dimension.dim_param = name
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.doc_string = ""
    # torch writes a set here, whose order differs from one process to the next.
    model.graph.ClearField("metadata_props")
    del model.graph.value_info[:]
    _fill_trees(model, network)
    return model


def traced(module: nn.Module, example: Tensor, **options: Any) -> onnx.ModelProto:
    """Return a module as ONNX, without the exporter's remarks on the terminal.

    options: of torch.onnx.export. Blocks for some seconds.
    """
    for name in ("onnxscript", "torch.onnx", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside torch's exporter
        program = torch.onnx.export(
            module, (example,), dynamo=True, opset_version=OPSET, verbose=False, **options
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    return model


def station_graph(model: onnx.ModelProto, tail: Tail | None) -> onnx.ModelProto:
    """Return a copy of a float or quantised graph with an input of uint8 pixels N×H×W×C.

    A quantised graph begins with a QuantizeLinear node for the normalised pixels, at exactly
    PIXEL_SCALE and PIXEL_ZERO_POINT. uint8 pixels have these values already, so the node is
    removed, and an int8 station never makes a float copy of the frame. A float graph gets a
    DequantizeLinear node.

    tail: None leaves the output unchanged (the float32 logits of a classifier). With a tail the
    output is one plane of severity. In a quantised graph it is uint8 and severity is
    12 / 255 × value. In a float graph it is float32 and holds severity / 12. With a decision head
    the plane is one row per picture, and the score of the part is its last value.
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
        # Any QuantizeLinear marks an int8 graph: its first layer may have stayed in float.
        _append_tail(graph, tail, int8=bool(quantises))
    model.producer_name = "outfeed"
    onnx.checker.check_model(model)
    return model


def _fill_trees(model: onnx.ModelProto, network: nn.Module) -> None:
    """Write the trees of an isolation forest into the exported TreeEnsembleRegressor node.

    Does nothing for a network without a forest. The exporter sees a node without attributes,
    because tracing the 40,000 numbers of a hundred trees would take minutes.
    """
    forests = [module for module in network.modules() if isinstance(module, IsolationForest)]
    nodes = [node for node in model.graph.node if f"{node.domain}::{node.op_type}" == TREE_NODE]
    for forest, node in zip(forests, nodes, strict=True):
        del node.attribute[:]
        for name, values in forest.attributes().items():
            node.attribute.append(helper.make_attribute(name, values))


def _append_tail(graph: onnx.GraphProto, tail: Tail, *, int8: bool) -> None:
    levels = (_constant(graph, "share_scale", 1.0 / LEVELS), _zero_point(graph, 0)) if int8 else ()
    value = _append_share(graph, RAW, "", levels, sigmoid=tail.sigmoid)
    if tail.shuffle > 1:
        # The mode CRD is equal to torch's PixelShuffle.
        graph.node.append(
            helper.make_node(
                "DepthToSpace", [value], ["shuffled"], blocksize=tail.shuffle, mode="CRD"
            )
        )
        value = "shuffled"
    shape: list[str | int] = ["batch", 1, "map_height", "map_width"]
    if tail.part:
        part = _append_share(graph, RAW_PART, "part_", levels, sigmoid=tail.sigmoid)
        for plane, row in ((value, "cells_row"), (part, "part_row")):
            graph.node.append(helper.make_node("Flatten", [plane], [row], axis=1))
        graph.node.append(helper.make_node("Concat", ["cells_row", "part_row"], ["row"], axis=1))
        value, shape = "row", ["batch", "cells_and_part"]
    graph.node.append(helper.make_node("Identity", [value], [SEVERITY]))
    del graph.output[:]
    kind = TensorProto.UINT8 if int8 else TensorProto.FLOAT
    graph.output.append(helper.make_tensor_value_info(SEVERITY, kind, shape))


def _append_share(
    graph: onnx.GraphProto, raw: str, prefix: str, levels: tuple[str, ...], *, sigmoid: bool
) -> str:
    """Append the steps from a raw output to severity / 12, and return the name of the result.

    levels: scale and zero point of uint8; empty for float.
    """
    value = f"{prefix}share"
    if sigmoid:
        graph.node.append(helper.make_node("Sigmoid", [raw], [value]))
    else:
        low, high = _constant(graph, "severity_low", 0.0), _constant(graph, "severity_high", 12.0)
        top = _constant(graph, "severity_top", 12.0)
        graph.node.append(helper.make_node("Clip", [raw, low, high], [f"{prefix}clipped"]))
        graph.node.append(helper.make_node("Div", [f"{prefix}clipped", top], [value]))
    if not levels:
        return value
    # ONNX Runtime runs DequantizeLinear, Sigmoid and QuantizeLinear as one table of 256 bytes.
    stored = f"{prefix}stored"
    graph.node.append(helper.make_node("QuantizeLinear", [value, *levels], [stored]))
    return stored


def _dimensions(model: onnx.ModelProto) -> Any:
    return model.graph.input[0].type.tensor_type.shape.dim


def _reconnect(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = new


def _constant(graph: onnx.GraphProto, name: str, value: float) -> str:
    """Add a constant, unless it is there: map and score of a part share the limits of severity."""
    if all(tensor.name != name for tensor in graph.initializer):
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    return name


def _zero_point(graph: onnx.GraphProto, value: int) -> str:
    name = f"zero_point_{value}"
    graph.initializer.append(numpy_helper.from_array(np.array(value, np.uint8), name))
    return name
