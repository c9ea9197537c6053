"""The check of a TFLite file before LiteRT reads it: it must be a network and nothing else.

LiteRT runs custom operators, calls other graphs of the file, loops, keeps variables, and takes
weights from where an offset leads. A bundle's network is one graph of the operators below, whose
weights lie in buffers of the file. Field numbers are those of TensorFlow's schema.fbs, version 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from edge.bundle.flatbuffer import FlatbufferFile, FlatbufferTable
from edge.errors import BundleError

MAX_OPERATORS = 4_000
MAX_TENSORS = 16_000
MAX_ELEMENTS = 1 << 26
MAX_RANK = 8
_VERSION = 3
_CUSTOM_FROM = 127  # of deprecated_builtin_code: the code is in the other field

# BuiltinOperator by its number. Not here: CUSTOM, CALL, CALL_ONCE, IF, WHILE, variables, hash
# tables, random numbers, RNNs, and what makes a tensor from a number (FILL, RANGE, TILE,
# BROADCAST_TO).
OPERATORS = {
    **{0: "ADD", 1: "AVERAGE_POOL_2D", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D"},
    **{5: "DEPTH_TO_SPACE", 6: "DEQUANTIZE", 8: "FLOOR", 9: "FULLY_CONNECTED", 14: "LOGISTIC"},
    **{17: "MAX_POOL_2D", 18: "MUL", 19: "RELU", 20: "RELU_N1_TO_1", 21: "RELU6", 22: "RESHAPE"},
    **{23: "RESIZE_BILINEAR", 25: "SOFTMAX", 26: "SPACE_TO_DEPTH", 28: "TANH", 34: "PAD"},
    **{36: "GATHER", 39: "TRANSPOSE", 40: "MEAN", 41: "SUB", 42: "DIV", 43: "SQUEEZE"},
    **{45: "STRIDED_SLICE", 47: "EXP", 49: "SPLIT", 53: "CAST", 54: "PRELU", 55: "MAXIMUM"},
    **{57: "MINIMUM", 59: "NEG", 60: "PADV2", 65: "SLICE", 67: "TRANSPOSE_CONV"},
    **{70: "EXPAND_DIMS", 73: "LOG", 74: "SUM", 75: "SQRT", 76: "RSQRT", 78: "POW"},
    **{82: "REDUCE_MAX", 89: "REDUCE_MIN", 92: "SQUARE", 97: "RESIZE_NEAREST_NEIGHBOR"},
    **{98: "LEAKY_RELU", 99: "SQUARED_DIFFERENCE", 101: "ABS", 111: "ELU", 114: "QUANTIZE"},
    **{117: "HARD_SWISH", 126: "BATCH_MATMUL", 150: "GELU"},
}
# TensorType by its number: bytes of an entry.
_BYTES_OF = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 9: 1, 10: 8, 12: 8, 15: 4, 16: 2}


@dataclass(frozen=True, slots=True)
class _Tensor:
    shape: tuple[int, ...]
    is_constant: bool


def check_tflite(data: bytes) -> None:
    """Raise BundleError, one line, for a TFLite file that is more than a network within the limits.

    Runs and unpacks nothing; takes some 5 ms for a network of 100 operators.
    """
    if data[4:8] != b"TFL3":
        raise BundleError("is no TFLite file")
    model = FlatbufferFile(data).root()
    if model.number(0, "I") != _VERSION:
        raise BundleError(f"is TFLite of version {model.number(0, 'I')}; expected {_VERSION}")
    codes = [_operator_code(code) for code in model.tables(1)]
    buffers = [_buffer(each, number) for number, each in enumerate(model.tables(4))]
    graphs = list(model.tables(2))
    if len(graphs) != 1:
        raise BundleError(f"holds {len(graphs)} graphs; expected one")
    model.text(3)
    for metadata in model.tables(6):
        metadata.text(0)
        _index(metadata.number(1, "I"), buffers, "a buffer")
    tensors = _graph(graphs[0], codes, buffers)
    for place in model.numbers(5, "i"):
        _index(place, buffers, "a buffer")
    for signature in model.tables(7):
        _signature(signature, tensors)


def _operator_code(code: FlatbufferTable) -> int:
    if code.has(1) and code.text(1):
        raise BundleError(f"holds the custom operator {code.text(1)[:80]!r}")
    old = code.number(0, "b")
    if not 0 <= old <= _CUSTOM_FROM:
        raise BundleError("holds an operator that is none")
    number = max(old, code.number(3, "i"))
    if number not in OPERATORS:
        raise BundleError(f"operator {number} is not among those that a network may have")
    return number


def _buffer(buffer: FlatbufferTable, number: int) -> int:
    """Return the size of a buffer in bytes. Tensors without data use buffer 0, which must be
    empty."""
    if buffer.number(1, "Q") or buffer.number(2, "Q"):
        raise BundleError("a buffer lies outside the graph's file; expected all of it inside")
    size = buffer.vector(0, "B")[1]
    if number == 0 and size:
        raise BundleError("buffer 0 is not empty")
    return size


def _graph(graph: FlatbufferTable, codes: list[int], buffers: list[int]) -> list[_Tensor]:
    graph.text(4)
    tensors: list[_Tensor] = []
    for each in graph.tables(0):
        tensors.append(_tensor(each, buffers))
        _at_most(len(tensors), MAX_TENSORS, "tensors")
    for field in (1, 2):
        places = graph.numbers(field, "i")
        if len(places) != 1:
            raise BundleError("the network must have one input and one output")
        for place in places:
            _index(place, tensors, "a tensor")
    for number, operator in enumerate(graph.tables(3), 1):
        _at_most(number, MAX_OPERATORS, "operators")
        _operator(operator, codes, tensors)
    return tensors


def _operator(operator: FlatbufferTable, codes: list[int], tensors: list[_Tensor]) -> None:
    place = operator.number(0, "I")
    _index(place, codes, "an operator")
    name = OPERATORS[codes[place]]
    inputs = operator.numbers(1, "i")
    for each in inputs:
        if each != -1:  # an optional input that is absent
            _index(each, tensors, "a tensor")
    outputs = operator.numbers(2, "i")
    if not inputs or not outputs:
        raise BundleError(f"{name} has no input or no output")
    for each in outputs:
        _index(each, tensors, "a tensor")
        if tensors[each].is_constant:
            raise BundleError(f"{name} writes into a constant")
    if any(operator.has(field) for field in (5, 8, 9, 10, 11, 12)):
        raise BundleError(f"{name} has options that no network here has")
    operator.table(4)  # lies inside the file
    if operator.vector(7, "B")[1] and any(operator.numbers(7, "B")):
        raise BundleError(f"{name} changes its inputs")


def _tensor(tensor: FlatbufferTable, buffers: list[int]) -> _Tensor:
    shape = tensor.numbers(0, "i")
    _at_most(len(shape), MAX_RANK, "dimensions of a tensor")
    if any(side < 0 for side in shape):
        raise BundleError(f"a tensor has the shape {shape}")
    _at_most(prod(shape), MAX_ELEMENTS, "entries of a tensor")
    size = _BYTES_OF.get(tensor.number(1, "b"))
    if size is None:
        raise BundleError("a tensor is of a kind that no network here has")
    if any(tensor.has(field) for field in (6, 9)) or tensor.number(5, "b"):
        raise BundleError("a tensor is a variable or sparse, which none here is")
    tensor.text(3)
    tensor.numbers(7, "i")
    quantised = tensor.table(4)
    if quantised is not None:
        for field, form in ((0, "f"), (1, "f"), (2, "f"), (3, "q")):
            quantised.vector(field, form)
        if quantised.number(4, "B"):
            raise BundleError("a tensor is quantised in a way of its own")
    place = tensor.number(2, "I")
    _index(place, buffers, "a buffer")
    held = buffers[place]
    if held and held != prod(shape) * size:
        raise BundleError(f"a tensor of {prod(shape) * size} bytes has a buffer of {held}")
    return _Tensor(shape, is_constant=bool(held))


def _signature(signature: FlatbufferTable, tensors: list[_Tensor]) -> None:
    signature.text(2)
    if signature.number(4, "I") != 0:
        raise BundleError("a signature names a graph that is not there")
    for field in (0, 1):
        for entry in signature.tables(field):
            entry.text(0)
            _index(entry.number(1, "I"), tensors, "a tensor")


def _index(place: int, among: list[int] | list[_Tensor], what: str) -> None:
    if not 0 <= place < len(among):
        raise BundleError(f"names {what} that is not there: {place}")


def _at_most(count: int, most: int, what: str) -> None:
    if count > most:
        raise BundleError(f"has {count} {what}; {most} is the most")
