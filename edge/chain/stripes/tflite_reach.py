"""The reach of the cells of a TFLite network, and the same network for another size of input.

A TFLite file has one size of input. Its shapes and the constants that repeat them are small numbers
in the file. ``reshaped`` writes those of another size in their places; the weights stay.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from edge.bundle.tflite_graph import TfliteGraph, TfliteOperator, TfliteTensor, read_tflite_graph
from edge.chain.stripes.reach import AxisReach, NotLocalError, PlaneReach

_NAMES = """
    ABS ADD CAST DEQUANTIZE DIV ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGISTIC MAXIMUM
    MINIMUM MUL NEG POW PRELU QUANTIZE RELU RELU6 RELU_N1_TO_1 RSQRT SQRT SQUARE SQUARED_DIFFERENCE
    SUB TANH
"""
_ELEMENTWISE = frozenset(_NAMES.split())
_SAME = 0
_AXES = (-3, -2)  # rows and columns of N×H×W×C


@dataclass(frozen=True, slots=True)
class _Atom:
    """A factor of a dimension. axis: 0 rows, 1 columns, None another one."""

    size: int
    axis: int | None = None


@dataclass(frozen=True, slots=True)
class _Plane:
    """The reach of a tensor, and for each of its dimensions the atoms that it is the product of."""

    rows: AxisReach
    cols: AxisReach
    dims: tuple[tuple[_Atom, ...], ...]

    @property
    def sides(self) -> tuple[AxisReach, AxisReach]:
        return self.rows, self.cols


def tflite_reach(data: bytes) -> PlaneReach:
    """Return the reach of the output of a network that takes pixels N×H×W×C.

    Raises NotLocalError, one line that names the operator, where an output cell depends on the
    whole picture, on its place in the picture, or in a way that is not known here.
    """
    graph = read_tflite_graph(data)
    plane = _plain(_follow(graph)[graph.output])
    return PlaneReach(_AXES, plane.rows, plane.cols)


def reshaped(data: bytes, height: int, width: int) -> bytes:
    """Return the network for inputs of height × width px, with the same weights.

    height and width must be multiples of the align of the reach. Raises NotLocalError as
    ``tflite_reach``, and where one number of the file stands for two sizes.
    """
    graph = read_tflite_graph(data)
    planes = _follow(graph)
    writes: dict[int, tuple[str, int]] = {}

    def put(place: int, form: str, values: Sequence[int]) -> None:
        for number, value in enumerate(values):
            at = place + number * struct.calcsize(form)
            if writes.setdefault(at, (form, value)) != (form, value):
                raise NotLocalError("one number of the file stands for two sizes")

    for number, plane in planes.items():
        shape = _shape(plane, height, width)
        for place in graph.tensors[number].shape_at:
            put(place, "i", shape)
    for operator in graph.operators:
        if operator.outputs[0] not in planes or operator.op not in _WITH_SIZE:
            continue
        shape = _shape(planes[operator.outputs[0]], height, width)
        wanted = shape if operator.op == "RESHAPE" else shape[1:3]
        for place in operator.shape_at:
            put(place, "i", wanted)
        if len(operator.inputs) > 1:
            size = graph.tensors[operator.inputs[1]]
            if len(size.values) != len(wanted):
                raise NotLocalError(f"{operator.op}: its size is computed")
            put(size.values_at, size.form, wanted)
    changed = bytearray(data)
    for at, (form, value) in writes.items():
        struct.pack_into(f"<{form}", changed, at, value)
    return bytes(changed)


_WITH_SIZE = ("RESHAPE", "RESIZE_NEAREST_NEIGHBOR")


def _shape(plane: _Plane, height: int, width: int) -> tuple[int, ...]:
    """Return the shape of a tensor for another size of input."""
    lengths = tuple(
        int(length / side.step) + side.extra
        for length, side in zip((height, width), plane.sides, strict=True)
    )
    return tuple(
        prod(atom.size if atom.axis is None else lengths[atom.axis] for atom in atoms)
        for atoms in plane.dims
    )


def _follow(graph: TfliteGraph) -> dict[int, _Plane]:
    """Return the reach of every tensor that depends on the pixels, by its number."""
    shape = graph.tensors[graph.input].shape
    if len(shape) != 4:
        raise NotLocalError("its input has no rows and columns")
    dims = ((_Atom(shape[0]),), (_Atom(shape[1], 0),), (_Atom(shape[2], 1),), (_Atom(shape[3]),))
    planes = {graph.input: _Plane(AxisReach(), AxisReach(), dims)}
    for operator in graph.operators:
        inputs = [planes[number] for number in operator.inputs if number in planes]
        if not inputs:
            continue
        try:
            plane = _output(graph, operator, inputs)
            for output in operator.outputs:
                _require_shape(plane, graph.tensors[output].shape)
                planes[output] = plane
        except NotLocalError as error:
            raise NotLocalError(f"{operator.op}: {error}") from error
    if graph.output not in planes:
        raise NotLocalError("its output does not depend on the pixels")
    return planes


def _output(graph: TfliteGraph, operator: TfliteOperator, inputs: list[_Plane]) -> _Plane:
    if operator.op == "RESHAPE":
        return replace(inputs[0], dims=_regrouped(inputs[0], graph.tensors[operator.outputs[0]]))
    if operator.op == "TRANSPOSE":
        order = graph.tensors[operator.inputs[1]].values
        return replace(inputs[0], dims=tuple(inputs[0].dims[place] for place in order))
    planes = [_plain(plane) for plane in inputs]
    joined = planes[0]
    for other in planes[1:]:
        joined = _Plane(joined.rows.joined(other.rows), joined.cols.joined(other.cols), other.dims)
    if operator.op in _ELEMENTWISE or operator.op == "CONCATENATION":
        for number in operator.inputs:
            shape = graph.tensors[number].shape if graph.tensors[number].is_constant else ()
            if any(len(shape) >= -axis and shape[axis] != 1 for axis in _AXES):
                raise NotLocalError("compares the picture place by place")
        if operator.op == "CONCATENATION" and operator.options["axis"] not in (3, -1):
            raise NotLocalError("joins rows or columns")
    elif operator.op in _RULES:
        joined = _RULES[operator.op](graph, operator, joined)
    else:
        raise NotLocalError("may depend on the whole picture")
    channels = graph.tensors[operator.outputs[0]].shape
    if len(channels) != 4:
        raise NotLocalError("its output has no rows and columns")
    sizes = (joined.dims[0][0].size, channels[3])
    rows, cols = (_Atom(channels[place], axis) for place, axis in ((1, 0), (2, 1)))
    return replace(joined, dims=((_Atom(sizes[0]),), (rows,), (cols,), (_Atom(sizes[1]),)))


def _windowed(graph: TfliteGraph, operator: TfliteOperator, plane: _Plane) -> _Plane:
    options = operator.options
    if "filter_h" in options:
        kernels: tuple[int, ...] = (options["filter_h"], options["filter_w"])
    else:
        kernels = graph.tensors[operator.inputs[1]].shape[1:3]
    sides = []
    for side, kernel, name in zip(plane.sides, kernels, "hw", strict=True):
        stride, dilation = options[f"stride_{name}"], options.get(f"dilation_{name}", 1)
        total = 0
        if options["padding"] == _SAME:
            if side.extra and stride > 1:
                raise NotLocalError("pads by the size of the picture")
            total = max((kernel - 1) * dilation + 1 - stride, 0)
        pads = (total // 2, total - total // 2)
        sides.append(side.windowed(kernel, stride, dilation, pads))
    return replace(plane, rows=sides[0], cols=sides[1])


def _padded(graph: TfliteGraph, operator: TfliteOperator, plane: _Plane) -> _Plane:
    pads = graph.tensors[operator.inputs[1]].values
    if len(pads) != 8 or any(pads[:2]):
        raise NotLocalError("pads in a way that is not known here")
    rows, cols = (
        side.padded((pads[first], pads[first + 1]), constant=True)
        for side, first in zip(plane.sides, (2, 4), strict=True)
    )
    return replace(plane, rows=rows, cols=cols)


def _enlarged(graph: TfliteGraph, operator: TfliteOperator, plane: _Plane) -> _Plane:
    old, new = (graph.tensors[each[0]].shape for each in (operator.inputs, operator.outputs))
    if operator.options["align_corners"] or any(new[axis] % old[axis] for axis in (1, 2)):
        raise NotLocalError("does not enlarge by a whole number")
    factors = (new[1] // old[1], new[2] // old[2])
    if any(factor & (factor - 1) for factor in factors):
        raise NotLocalError("does not enlarge by a power of 2")
    rows, cols = (side.enlarged(factor) for side, factor in zip(plane.sides, factors, strict=True))
    return replace(plane, rows=rows, cols=cols)


def _to_space(_: TfliteGraph, operator: TfliteOperator, plane: _Plane) -> _Plane:
    factor = operator.options["block_size"]
    return replace(plane, rows=plane.rows.enlarged(factor), cols=plane.cols.enlarged(factor))


def _regrouped(plane: _Plane, output: TfliteTensor) -> tuple[tuple[_Atom, ...], ...]:
    """Return the dimensions of a reshaped tensor. Raises NotLocalError where rows are divided."""
    left = [
        atom for atoms in plane.dims for atom in atoms if atom.size != 1 or atom.axis is not None
    ]
    dims = []
    for size in output.shape:
        taken: list[_Atom] = []
        while left and prod(atom.size for atom in taken) < size:
            wanted, atom = size // prod(each.size for each in taken), left.pop(0)
            if atom.size > wanted:
                if atom.axis is not None or atom.size % wanted:
                    raise NotLocalError("divides rows or columns")
                left.insert(0, _Atom(atom.size // wanted))
                atom = _Atom(wanted)
            taken.append(atom)
        dims.append(tuple(taken) or (_Atom(1),))
    return tuple(dims)


def _plain(plane: _Plane) -> _Plane:
    """Return a plane whose second and third dimension are rows and columns.

    Rows times k, as a pixel shuffle leaves them, are rows of a k times finer grid.
    """
    if len(plane.dims) != 4:
        raise NotLocalError("rows and columns are not its second and third dimension")
    sides, dims = [], list(plane.dims)
    for axis, side in enumerate(plane.sides):
        first, *others = plane.dims[axis + 1]
        if first.axis != axis or any(atom.axis is not None for atom in others):
            raise NotLocalError("rows and columns are not its second and third dimension")
        factor = prod(atom.size for atom in others)
        sides.append(side.enlarged(factor))
        dims[axis + 1] = (_Atom(first.size * factor, axis),)
    if any(atom.axis is not None for place in (0, 3) for atom in plane.dims[place]):
        raise NotLocalError("rows or columns are in its channels")
    return _Plane(sides[0], sides[1], tuple(dims))


def _require_shape(plane: _Plane, shape: tuple[int, ...]) -> None:
    if tuple(prod(atom.size for atom in atoms) for atoms in plane.dims) != shape:
        raise NotLocalError("its output has another shape than its inputs say")


_Rule = Callable[[TfliteGraph, TfliteOperator, _Plane], _Plane]
_RULES: Mapping[str, _Rule] = {
    "AVERAGE_POOL_2D": _windowed,
    "CONV_2D": _windowed,
    "DEPTHWISE_CONV_2D": _windowed,
    "DEPTH_TO_SPACE": _to_space,
    "MAX_POOL_2D": _windowed,
    "PAD": _padded,
    "RESIZE_NEAREST_NEIGHBOR": _enlarged,
}
