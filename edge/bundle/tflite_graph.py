"""The graph of a TFLite file: operators, their options, and where shapes and constants lie.

``check_tflite`` must have accepted the file. Nothing is run. Field numbers are those of
TensorFlow's schema.fbs, version 3.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from edge.bundle.flatbuffer import FlatbufferFile, FlatbufferTable
from edge.bundle.tflite_file import OPERATORS
from edge.errors import BundleError

# Options of the operators with a window or an axis: name, field and form of ``struct``.
_WINDOW = (("padding", 0, "b"), ("stride_w", 1, "i"), ("stride_h", 2, "i"))
_POOLING = (*_WINDOW, ("filter_w", 3, "i"), ("filter_h", 4, "i"))
_OPTIONS: Mapping[str, tuple[tuple[str, int, str], ...]] = {
    "CONV_2D": (*_WINDOW, ("dilation_w", 4, "i"), ("dilation_h", 5, "i")),
    "DEPTHWISE_CONV_2D": (*_WINDOW, ("dilation_w", 5, "i"), ("dilation_h", 6, "i")),
    "AVERAGE_POOL_2D": _POOLING,
    "MAX_POOL_2D": _POOLING,
    "CONCATENATION": (("axis", 0, "i"),),
    "DEPTH_TO_SPACE": (("block_size", 0, "i"),),
    "RESIZE_NEAREST_NEIGHBOR": (("align_corners", 0, "b"),),
}
_ONE_BY_DEFAULT = ("stride_w", "stride_h", "dilation_w", "dilation_h")
_INT32, _INT64 = 2, 4
_FORMS = {_INT32: "i", _INT64: "q"}


@dataclass(frozen=True, slots=True)
class TfliteTensor:
    """A tensor. shape_at: the places in the file where its shape is written. values: of a constant
    of whole numbers, else empty. values_at, form: where they lie, and their form of ``struct``."""

    shape: tuple[int, ...]
    shape_at: tuple[int, ...]
    is_constant: bool
    values: tuple[int, ...] = ()
    values_at: int = 0
    form: str = ""


@dataclass(frozen=True, slots=True)
class TfliteOperator:
    """An operator. inputs, outputs: numbers of tensors; -1 is an input that is left out."""

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, int]
    shape_at: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TfliteGraph:
    """The operators in the order in which they run. input, output: numbers of tensors."""

    tensors: tuple[TfliteTensor, ...]
    operators: tuple[TfliteOperator, ...]
    input: int
    output: int


def read_tflite_graph(data: bytes) -> TfliteGraph:
    """Return the graph of a TFLite file. Raises BundleError. Blocks for some 5 ms."""
    model = FlatbufferFile(data).root()
    codes = [max(code.number(0, "b"), code.number(3, "i")) for code in model.tables(1)]
    buffers = list(model.tables(4))
    graph = next(iter(model.tables(2)), None)
    if graph is None:
        raise BundleError("holds no network")
    return TfliteGraph(
        tuple(_tensor(each, buffers, data) for each in graph.tables(0)),
        tuple(_operator(each, codes) for each in graph.tables(3)),
        graph.numbers(1, "i")[0],
        graph.numbers(2, "i")[0],
    )


def _tensor(table: FlatbufferTable, buffers: list[FlatbufferTable], data: bytes) -> TfliteTensor:
    shape = table.numbers(0, "i")
    places = tuple(table.vector(field, "i")[0] for field in (0, 7) if table.vector(field, "i")[1])
    start, size = buffers[table.number(2, "I")].vector(0, "B")
    form = _FORMS.get(table.number(1, "b"), "")
    if not size or not form or size > 256:
        return TfliteTensor(shape, places, bool(size))
    count = size // struct.calcsize(form)
    values = struct.unpack_from(f"<{count}{form}", data, start)
    return TfliteTensor(shape, places, True, values, start, form)


def _operator(table: FlatbufferTable, codes: list[int]) -> TfliteOperator:
    op = OPERATORS[codes[table.number(0, "I")]]
    options = table.table(4)
    numbers: dict[str, int] = {}
    for name, field, form in _OPTIONS.get(op, ()):
        default = int(name in _ONE_BY_DEFAULT)
        numbers[name] = default if options is None else options.number(field, form, default)
    shape_at: tuple[int, ...] = ()
    if op == "RESHAPE" and options is not None and options.vector(0, "i")[1]:
        shape_at = (options.vector(0, "i")[0],)
    return TfliteOperator(op, table.numbers(1, "i"), table.numbers(2, "i"), numbers, shape_at)
