"""The reach of the cells of an ONNX network, from its graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from edge.bundle.onnx_file import OnnxConstant
from edge.bundle.onnx_graph import OnnxGraph, OnnxNode, read_onnx_graph
from edge.chain.stripes.reach import AxisReach, NotLocalError, PlaneReach, joined

_NAMES = """
    Abs Add And BatchNormalization Cast Ceil Clip Cos DequantizeLinear Div Dropout Elu Equal Erf Exp
    Floor Greater GreaterOrEqual HardSigmoid HardSwish Identity LeakyRelu Less LessOrEqual Log Max
    Mean Min Mod Mul Neg Not Or PRelu Pow QuantizeLinear Reciprocal Relu Round Sigmoid Sign Sin
    Softplus Sqrt Sub Sum Tanh Where Xor
"""
_ELEMENTWISE = frozenset(_NAMES.split())
# Their other inputs are values for each channel.
_BY_CHANNEL = frozenset({"BatchNormalization", "DequantizeLinear", "QuantizeLinear"})
_REDUCTION_NAMES = """
    ArgMax ArgMin ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
    ReduceSum ReduceSumSquare
"""
_REDUCTIONS = frozenset(_REDUCTION_NAMES.split())
_SOFTMAX = frozenset({"LogSoftmax", "Softmax"})
_PLANES = (-2, -1)  # rows and columns of N×C×H×W


def onnx_reach(data: bytes) -> PlaneReach:
    """Return the reach of the output of a network that takes pixels N×H×W×C.

    Raises NotLocalError, one line that names the operator, where an output cell depends on the
    whole picture, on its place in the picture, or in a way that is not known here.
    """
    graph = read_onnx_graph(data)
    tracker = _Tracker(graph)
    for node in graph.nodes:
        try:
            tracker.follow(node)
        except NotLocalError as error:
            raise NotLocalError(f"{node.op}: {error}") from error
    plane = tracker.planes.get(graph.outputs[0])
    if plane is None:
        raise NotLocalError("its output does not depend on the pixels")
    return plane


class _Tracker:
    """The reach of the tensors of a graph, operator by operator."""

    def __init__(self, graph: OnnxGraph) -> None:
        self._constants = dict(graph.constants)
        self.planes: dict[str, PlaneReach] = {
            name: PlaneReach((-3, -2), AxisReach(), AxisReach()) for name in graph.inputs
        }

    def follow(self, node: OnnxNode) -> None:
        """Add the outputs of an operator. Raises NotLocalError."""
        planes = [self.planes[name] for name in node.inputs if name in self.planes]
        if not planes:  # of constants alone
            whole = self._constants.get(node.inputs[0]) if node.inputs else None
            if node.op in ("Slice", "Split") and whole is not None:
                # A part has as many dimensions. Its values, and the lengths, are not needed.
                part = replace(whole, values=())
                self._constants.update(dict.fromkeys(node.outputs, part))
            return
        if node.op not in _ELEMENTWISE | {"Concat"} and node.inputs[0] not in self.planes:
            raise NotLocalError("its first input is a constant")
        if node.op in _ELEMENTWISE:
            self._require_even(node, planes[0])
            plane = joined(planes)
        elif node.op == "Concat":
            self._require_even(node, planes[0])
            plane = joined(planes)
            _require_other(plane, (_from_end(node.number("axis", 0), self._rank(node)),))
        else:
            rule = _RULES.get(node.op)
            if rule is None:
                raise NotLocalError("may depend on the whole picture")
            plane = rule(node, planes[0], self._constants)
        for output in node.outputs:
            self.planes[output] = plane

    def _rank(self, node: OnnxNode) -> int:
        # Constants beside a plane have its rank, and planes of this project have four dimensions.
        return next(
            (len(self._constants[name].dims) for name in node.inputs if name in self._constants), 4
        )

    def _require_even(self, node: OnnxNode, plane: PlaneReach) -> None:
        """Raise NotLocalError for a constant with other values from place to place."""
        if node.op in _BY_CHANNEL:
            return
        for name in node.inputs:
            dims = self._constants[name].dims if name in self._constants else ()
            if any(len(dims) >= -axis and dims[axis] != 1 for axis in plane.axes):
                raise NotLocalError("compares the picture place by place")


_Constants = Mapping[str, OnnxConstant]
_Rule = Callable[[OnnxNode, PlaneReach, _Constants], PlaneReach]


def _window(node: OnnxNode, plane: PlaneReach, constants: _Constants) -> PlaneReach:
    _require_planes(plane)
    if node.texts.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise NotLocalError(f"auto_pad is {node.texts['auto_pad']}")
    if node.number("ceil_mode", 0):
        raise NotLocalError("ceil_mode is 1")
    kernel = node.ints.get("kernel_shape") or _weights(node, constants)[-2:]
    strides, dilations = node.ints.get("strides", (1, 1)), node.ints.get("dilations", (1, 1))
    pads = node.ints.get("pads", (0, 0, 0, 0))
    rows, cols = (
        side.windowed(kernel[i], strides[i], dilations[i], (pads[i], pads[i + 2]))
        for i, side in enumerate(plane.sides)
    )
    return PlaneReach(plane.axes, rows, cols)


def _weights(node: OnnxNode, constants: _Constants) -> tuple[int, ...]:
    found = constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
    if found is None or len(found.dims) != 4:
        raise NotLocalError("the size of its window is not in the file")
    return found.dims


def _transposed(node: OnnxNode, plane: PlaneReach, _: _Constants) -> PlaneReach:
    order = node.ints.get("perm")
    if order is None:
        raise NotLocalError("has no order of dimensions")
    place = {old - len(order): new - len(order) for new, old in enumerate(order)}
    rows, cols = (place[axis] for axis in plane.axes)
    return replace(plane, axes=(rows, cols))


def _padded(node: OnnxNode, plane: PlaneReach, constants: _Constants) -> PlaneReach:
    mode = node.texts.get("mode", "constant")
    pads = _integers(node, 1, constants)
    rank = len(pads) // 2
    if mode not in ("constant", "edge", "reflect") or (len(node.inputs) > 3 and node.inputs[3]):
        raise NotLocalError("pads in a way that is not known here")
    rows, cols = (
        side.padded((pads[axis + rank], pads[axis]), constant=mode == "constant")
        for axis, side in zip(plane.axes, plane.sides, strict=True)
    )
    return PlaneReach(plane.axes, rows, cols)


def _resized(node: OnnxNode, plane: PlaneReach, constants: _Constants) -> PlaneReach:
    if len(node.inputs) < 3 or (len(node.inputs) > 3 and node.inputs[3]):
        raise NotLocalError("enlarges to a fixed size")
    scales = constants[node.inputs[2]].values if node.inputs[2] in constants else ()
    mode = node.texts.get("mode", "nearest")
    centres = node.texts.get("coordinate_transformation_mode", "half_pixel")
    linear = mode == "linear" and centres in ("half_pixel", "pytorch_half_pixel")
    nearest = mode == "nearest" and (centres, node.texts.get("nearest_mode")) == (
        "asymmetric",
        "floor",
    )
    if not linear and not nearest:
        raise NotLocalError(f"mode {mode} with {centres}")
    sides = []
    for axis, side in zip(plane.axes, plane.sides, strict=True):
        scale = scales[axis] if len(scales) >= -axis else 0.0
        if scale < 1 or scale != int(scale) or (linear and int(scale) & (int(scale) - 1)):
            # Weights between centres are exact for powers of 2 only.
            raise NotLocalError(f"enlarges by {scale:g}")
        sides.append(side.enlarged(int(scale), linear=linear and scale > 1))
    return PlaneReach(plane.axes, *sides)


def _to_space(node: OnnxNode, plane: PlaneReach, _: _Constants) -> PlaneReach:
    _require_planes(plane)
    factor = node.number("blocksize", 1)
    return PlaneReach(plane.axes, plane.rows.enlarged(factor), plane.cols.enlarged(factor))


def _to_depth(node: OnnxNode, plane: PlaneReach, _: _Constants) -> PlaneReach:
    _require_planes(plane)
    factor = node.number("blocksize", 1)
    return PlaneReach(plane.axes, plane.rows.reduced(factor), plane.cols.reduced(factor))


def _reduced(node: OnnxNode, plane: PlaneReach, constants: _Constants) -> PlaneReach:
    axes = node.ints.get("axes") or node.ints.get("axis")
    if axes is None and len(node.inputs) > 1:
        axes = _integers(node, 1, constants)
    if not axes:
        raise NotLocalError("depends on the whole picture")
    gone = tuple(_from_end(axis, 4) for axis in axes)
    if any(axis in plane.axes for axis in gone):
        raise NotLocalError("depends on the whole picture")
    if node.number("keepdims", 1):
        return plane
    rows, cols = (axis + sum(other > axis for other in gone) for axis in plane.axes)
    return replace(plane, axes=(rows, cols))


def _softmax(node: OnnxNode, plane: PlaneReach, _: _Constants) -> PlaneReach:
    _require_other(plane, (_from_end(node.number("axis", -1), 4),))
    return plane


def _multiplied(node: OnnxNode, plane: PlaneReach, constants: _Constants) -> PlaneReach:
    if node.inputs[1] not in constants or len(constants[node.inputs[1]].dims) != 2:
        raise NotLocalError("multiplies by something else than weights")
    _require_other(plane, (-1, -2) if plane.axes == _PLANES else (-1,))
    return plane


def _split(node: OnnxNode, plane: PlaneReach, _: _Constants) -> PlaneReach:
    _require_other(plane, (_from_end(node.number("axis", 0), 4),))
    return plane


def _sliced(node: OnnxNode, plane: PlaneReach, constants: _Constants) -> PlaneReach:
    if len(node.inputs) < 4:
        raise NotLocalError("cuts the picture")
    axes = _integers(node, 3, constants)
    _require_other(plane, tuple(_from_end(axis, 4) for axis in axes), "cuts the picture")
    return plane


def _integers(node: OnnxNode, place: int, constants: _Constants) -> tuple[int, ...]:
    """Return an input of whole numbers. Raises NotLocalError where it is not in the file."""
    found = constants.get(node.inputs[place])
    if found is None or not found.values:
        raise NotLocalError("one of its sizes is computed")
    return tuple(int(value) for value in found.values)


def _from_end(axis: int, rank: int) -> int:
    return axis if axis < 0 else axis - rank


def _require_planes(plane: PlaneReach) -> None:
    if plane.axes != _PLANES:
        raise NotLocalError("rows and columns are not its last dimensions")


def _require_other(
    plane: PlaneReach, axes: tuple[int, ...], reason: str = "depends on the whole picture"
) -> None:
    if any(axis in plane.axes for axis in axes):
        raise NotLocalError(reason)


_RULES: Mapping[str, _Rule] = {
    "AveragePool": _window,
    "Conv": _window,
    "DepthToSpace": _to_space,
    "MatMul": _multiplied,
    "MaxPool": _window,
    "Pad": _padded,
    "Resize": _resized,
    "Slice": _sliced,
    "SpaceToDepth": _to_depth,
    "Split": _split,
    "Transpose": _transposed,
    **dict.fromkeys(_REDUCTIONS, _reduced),
    **dict.fromkeys(_SOFTMAX, _softmax),
}
