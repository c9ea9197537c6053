"""The check of an ONNX file before an engine reads it: it must be a network and nothing else.

An ONNX file may name files outside it, call itself, hold loops and functions, and claim sizes that
no machine has; ONNX Runtime follows all of that. A bundle's network needs none of it, so what is
allowed is listed here: the operators that the project's exports use and their like, whose output is
not larger than their inputs and constants say, and constants that lie in the file. Field numbers
are those of onnx.proto (IR version 13 and before).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from edge.bundle.protobuf import FieldEntry, ProtobufMessage, ProtobufReader, signed
from edge.errors import BundleError

MAX_NODES = 4_000
MAX_CONSTANTS = 16_000
MAX_ELEMENTS = 1 << 26  # of one tensor: 64 million, a quarter of a gigabyte in float32
MAX_RANK = 8
MAX_SIDE = 1 << 24  # of a shape, and of a number in an attribute
MAX_WINDOW = 1_024  # of a kernel, a stride, a dilation, a pad
MAX_SCALE = 64.0  # by which Resize may enlarge a side
MAX_REPEAT = 1 << 20  # of an entry in a constant with a shape, a pad or a count
_MAX_FIELDS = 2_000_000
_ONE_OF_ALL = ("", "ai.onnx")

# Whose output is no larger than inputs, weights and these constants make it. Not here: what draws
# at random, repeats, loops, branches, holds sequences or texts, or makes a tensor from a number.
_PLAIN = """
    Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Clip Concat Constant Conv
    ConvTranspose Cos DepthToSpace DequantizeLinear Div Dropout Elu Equal Erf Exp Flatten Floor
    Gather GatherElements Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual HardSigmoid
    HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Less LessOrEqual Log
    LogSoftmax MatMul Max MaxPool Mean Min Mod Mul Neg Not Or PRelu Pad Pow QuantizeLinear
    Reciprocal ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
    ReduceSum ReduceSumSquare Relu Reshape Resize Round Shape Sigmoid Sign Sin Slice Softmax
    Softplus SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Transpose Unsqueeze Where Xor
"""
OPERATORS = frozenset(_PLAIN.split())
# The trees of an isolation forest are one node (export/float_onnx.py).
TREES = ("ai.onnx.ml", "TreeEnsembleRegressor")
# Inputs that say how large the output becomes, by their place; each must be a constant of the file.
_SIZES: Mapping[str, tuple[int, ...]] = {"Pad": (1,), "Resize": (2, 3)}
_WINDOWS = frozenset({"kernel_shape", "pads", "strides", "dilations", "output_padding"})

_FLOAT, _UINT8, _INT8, _UINT16, _INT16, _INT32, _INT64 = 1, 2, 3, 4, 5, 6, 7
_BOOL, _FLOAT16, _DOUBLE, _UINT32, _UINT64, _BFLOAT16 = 9, 10, 11, 12, 13, 16
_BYTES_OF = {
    **{_FLOAT: 4, _UINT8: 1, _INT8: 1, _UINT16: 2, _INT16: 2, _INT32: 4, _INT64: 8},
    **{_BOOL: 1, _FLOAT16: 2, _DOUBLE: 8, _UINT32: 4, _UINT64: 8, _BFLOAT16: 2},
}
# Attributes: numbers, texts, lists of them, and a tensor.
_A_FLOAT, _A_INT, _A_TEXT, _A_TENSOR, _A_FLOATS, _A_INTS, _A_TEXTS = 1, 2, 3, 4, 6, 7, 8
_A_FIELD = {
    **{_A_FLOAT: "f", _A_INT: "i", _A_TEXT: "s", _A_TENSOR: "t"},
    **{_A_FLOATS: "floats", _A_INTS: "ints", _A_TEXTS: "strings"},
}

_MODEL = {
    1: FieldEntry("ir_version", "int"),
    2: FieldEntry("producer_name"),
    3: FieldEntry("producer_version"),
    4: FieldEntry("domain"),
    5: FieldEntry("model_version", "int"),
    6: FieldEntry("doc_string"),
    7: FieldEntry("graph", "message"),
    8: FieldEntry("opset_import", "message", many=True),
    14: FieldEntry("metadata_props", "message", many=True),
}
_OPSET = {1: FieldEntry("domain"), 2: FieldEntry("version", "int")}
_GRAPH = {
    1: FieldEntry("node", "message", many=True),
    2: FieldEntry("name"),
    5: FieldEntry("initializer", "message", many=True),
    10: FieldEntry("doc_string"),
    11: FieldEntry("input", "message", many=True),
    12: FieldEntry("output", "message", many=True),
    13: FieldEntry("value_info", "message", many=True),
    16: FieldEntry("metadata_props", "message", many=True),
}
_NODE = {
    1: FieldEntry("input", many=True),
    2: FieldEntry("output", many=True),
    3: FieldEntry("name"),
    4: FieldEntry("op_type"),
    5: FieldEntry("attribute", "message", many=True),
    6: FieldEntry("doc_string"),
    7: FieldEntry("domain"),
    8: FieldEntry("overload"),
    9: FieldEntry("metadata_props", "message", many=True),
}
_ATTRIBUTE = {
    1: FieldEntry("name"),
    2: FieldEntry("f", "float"),
    3: FieldEntry("i", "int"),
    4: FieldEntry("s"),
    5: FieldEntry("t", "message"),
    7: FieldEntry("floats", "float", many=True),
    8: FieldEntry("ints", "int", many=True),
    9: FieldEntry("strings", many=True),
    13: FieldEntry("doc_string"),
    20: FieldEntry("type", "int"),
}
_TENSOR = {
    1: FieldEntry("dims", "int", many=True),
    2: FieldEntry("data_type", "int"),
    4: FieldEntry("float_data", "float", many=True),
    5: FieldEntry("int32_data", "int", many=True),
    7: FieldEntry("int64_data", "int", many=True),
    8: FieldEntry("name"),
    9: FieldEntry("raw_data"),
    10: FieldEntry("double_data", "double", many=True),
    11: FieldEntry("uint64_data", "int", many=True),
    12: FieldEntry("doc_string"),
    13: FieldEntry("external_data", "message", many=True),
    14: FieldEntry("data_location", "int"),
    16: FieldEntry("metadata_props", "message", many=True),
}
_VALUE = {
    1: FieldEntry("name"),
    2: FieldEntry("type", "message"),
    3: FieldEntry("doc_string"),
    4: FieldEntry("metadata_props", "message", many=True),
}
_TYPE = {1: FieldEntry("tensor_type", "message"), 6: FieldEntry("denotation")}
_TENSOR_TYPE = {1: FieldEntry("elem_type", "int"), 2: FieldEntry("shape", "message")}
_SHAPE = {1: FieldEntry("dim", "message", many=True)}
_DIMENSION = {
    1: FieldEntry("dim_value", "int"),
    2: FieldEntry("dim_param"),
    3: FieldEntry("denotation"),
}


@dataclass(frozen=True, slots=True)
class OnnxConstant:
    """A tensor that lies in the file. values: of a small one of whole numbers, floats otherwise;
    empty where it is large."""

    kind: int
    dims: tuple[int, ...]
    values: tuple[float, ...] = ()


def check_onnx(data: bytes) -> None:
    """Raise BundleError, one line, for an ONNX file that is more than a network within the limits.

    Runs and unpacks nothing; takes some 10 ms for a network of 200 nodes.
    """
    # ONNX Runtime takes a file for one of its own format by these four bytes alone.
    if data[4:8] == b"ORTM" or data[:1] != b"\x08":
        raise BundleError("is no ONNX file")
    reader = ProtobufReader(_MAX_FIELDS)
    model = reader.message(memoryview(data), _MODEL, "the model")
    for entry in model.all_values("opset_import"):
        reader.message(entry, _OPSET, "an operator set")
    if not model.has("graph"):
        raise BundleError("holds no network")
    _Graph(reader, reader.message(model.value("graph"), _GRAPH, "the network")).check()


class OnnxFile:
    """The content of a file that ``check_onnx`` accepted. Each method reads anew; none runs code.

    Raises BundleError for a damaged file.
    """

    def __init__(self, data: bytes) -> None:
        self._reader = ProtobufReader(_MAX_FIELDS)
        model = self._reader.message(memoryview(data), _MODEL, "the model")
        self._graph = self._reader.message(model.value("graph"), _GRAPH, "the network")

    def nodes(self) -> list[ProtobufMessage]:
        """Return the operators in their order: op_type, input, output, attribute."""
        entries = self._graph.all_values("node")
        return [self._reader.message(entry, _NODE, "a node") for entry in entries]

    def attributes(self, node: ProtobufMessage) -> list[ProtobufMessage]:
        """Return the attributes of an operator: name, i, ints, s, t."""
        entries = node.all_values("attribute")
        return [self._reader.message(entry, _ATTRIBUTE, "an attribute") for entry in entries]

    def tensor(self, attribute: ProtobufMessage) -> OnnxConstant:
        """Return the tensor that an attribute holds."""
        message = self._reader.message(attribute.value("t"), _TENSOR, "a constant")
        return _constant(message)

    def constants(self) -> dict[str, OnnxConstant]:
        """Return the constants beside the operators, by name."""
        entries = self._graph.all_values("initializer")
        messages = [self._reader.message(entry, _TENSOR, "a constant") for entry in entries]
        return {message.text("name"): _constant(message) for message in messages}

    def values(self, name: str) -> list[str]:
        """Return the names of the ``input`` or ``output`` values of the network."""
        entries = self._graph.all_values(name)
        return [self._reader.message(each, _VALUE, "a value").text("name") for each in entries]


class _Graph:
    def __init__(self, reader: ProtobufReader, graph: ProtobufMessage) -> None:
        self._reader, self._graph = reader, graph
        self._constants: dict[str, OnnxConstant] = {}

    def check(self) -> None:
        graph = self._graph
        _at_most(len(graph.all_values("node")), MAX_NODES, "nodes")
        _at_most(len(graph.all_values("initializer")), MAX_CONSTANTS, "constants")
        for entry in graph.all_values("initializer"):
            message = self._reader.message(entry, _TENSOR, "a constant")
            self._add(message.text("name"), _constant(message))
        for name in ("input", "output", "value_info"):
            for entry in graph.all_values(name):
                self._value(entry)
        for entry in graph.all_values("node"):
            self._node(self._reader.message(entry, _NODE, "a node"))

    def _add(self, name: str, constant: OnnxConstant) -> None:
        if name in self._constants:
            raise BundleError(f"constant {name[:80]!r} is there twice")
        self._constants[name] = constant

    def _node(self, node: ProtobufMessage) -> None:
        domain, name = node.text("domain"), node.text("op_type")
        trees = (domain, name) == TREES
        if not trees and (domain not in _ONE_OF_ALL or name not in OPERATORS):
            shown = f"{domain}.{name}" if domain not in _ONE_OF_ALL else name
            raise BundleError(f"operator {shown[:80]!r} is not among those that a network may have")
        if node.has("overload") and node.value("overload"):
            raise BundleError(f"operator {name} has an overload, which only functions have")
        for entry in node.all_values("attribute"):
            self._attribute(node, name, entry, trees=trees)
        inputs = node.texts("input")
        for place in _SIZES.get(name, ()):
            if place < len(inputs) and inputs[place]:
                self._size(name, inputs[place])

    def _attribute(self, node: ProtobufMessage, op: str, entry: memoryview, *, trees: bool) -> None:
        attribute = self._reader.message(entry, _ATTRIBUTE, f"an attribute of {op}")
        name, kind = attribute.text("name"), attribute.number("type")
        if kind not in _A_FIELD:
            raise BundleError(
                f"{op}: attribute {name[:80]!r} is of a kind that no network here has"
            )
        held = [field for field in _A_FIELD.values() if attribute.has(field)]
        if held not in ([], [_A_FIELD[kind]]):
            raise BundleError(f"{op}: attribute {name[:80]!r} holds more than one value")
        if kind == _A_TENSOR:
            message = self._reader.message(attribute.value("t"), _TENSOR, "a constant")
            constant = _constant(message)
            if op == "Constant":
                for output in node.texts("output"):
                    self._add(output, constant)
        most = MAX_WINDOW if name in _WINDOWS else MAX_SIDE
        for value in (*attribute.all_numbers("ints"), *attribute.all_numbers("i")):
            if abs(signed(value)) > most and not trees:
                raise BundleError(f"{op}: {name} is {signed(value)}; {most} is the most")
        if op == "Constant" and kind in (_A_INT, _A_INTS):
            numbers = [
                signed(value)
                for value in (*attribute.all_numbers("ints"), *attribute.all_numbers("i"))
            ]
            for output in node.texts("output"):
                self._add(output, OnnxConstant(_INT64, (len(numbers),), tuple(map(float, numbers))))

    def _size(self, op: str, name: str) -> None:
        """Check an input with a shape: it must be a small constant."""
        constant = self._constants.get(name)
        if constant is None:
            raise BundleError(f"{op}: the size of its output is computed; expected a constant")
        if prod(constant.dims) != len(constant.values):
            raise BundleError(f"{op}: the constant for its size has {constant.dims} entries")
        most = MAX_SCALE if constant.kind == _FLOAT else MAX_WINDOW if op == "Pad" else MAX_REPEAT
        if any(not abs(value) <= most for value in constant.values):
            raise BundleError(f"{op}: its size is {constant.values}; {most:g} is the most")

    def _value(self, entry: memoryview) -> None:
        """Return the declared shape of an input, an output or an intermediate value."""
        value = self._reader.message(entry, _VALUE, "a value")
        if not value.has("type"):
            return
        kind = self._reader.message(value.value("type"), _TYPE, "a value's type")
        if not kind.has("tensor_type"):
            return
        tensor = self._reader.message(kind.value("tensor_type"), _TENSOR_TYPE, "a value's type")
        if not tensor.has("shape"):
            return
        shape = self._reader.message(tensor.value("shape"), _SHAPE, "a value's shape")
        sides = []
        for each in shape.all_values("dim"):
            dimension = self._reader.message(each, _DIMENSION, "a value's shape")
            if dimension.has("dim_value"):
                sides.append(dimension.number("dim_value"))
        _at_most(prod(_dims(sides)), MAX_ELEMENTS, "entries of a value")


def _constant(message: ProtobufMessage) -> OnnxConstant:
    if message.number("data_location") != 0 or message.has("external_data"):
        raise BundleError("a constant lies in another file; expected all of it in the bundle")
    kind = message.number("data_type")
    dims = _dims(message.all_numbers("dims"))
    count = prod(dims)
    _at_most(count, MAX_ELEMENTS, "entries of a constant")
    size = _BYTES_OF.get(kind)
    if size is None:
        raise BundleError(f"a constant is of kind {kind}, which no network here has")
    raw = message.value("raw_data")
    held = {name: len(message.all_numbers(name)) for name in ("int32_data", "int64_data")}
    held |= {"uint64_data": len(message.all_numbers("uint64_data"))}
    held |= {name: message.count(name) for name in ("float_data", "double_data")}
    listed = sum(held.values())
    if message.has("raw_data") and listed:
        raise BundleError("a constant is there in two forms")
    if (listed or len(raw) // size) != count or len(raw) % size:
        raise BundleError(f"a constant of {dims} has {listed or len(raw)} entries or bytes")
    return OnnxConstant(kind, dims, _values(kind, raw, message))


def _dims(values: Sequence[int]) -> tuple[int, ...]:
    _at_most(len(values), MAX_RANK, "dimensions of a tensor")
    dims = tuple(signed(value) for value in values)
    for side in dims:
        if not 0 <= side <= MAX_SIDE:
            raise BundleError(f"a tensor has a side of {side}; 0 to {MAX_SIDE} is expected")
    return dims


def _values(kind: int, raw: memoryview, message: ProtobufMessage) -> tuple[float, ...]:
    """Return the values of a constant for a shape: float32 or int64, at most 64 entries."""
    if kind == _INT64 and message.has("int64_data"):
        return tuple(float(signed(value)) for value in message.all_numbers("int64_data")[:64])
    form = {_INT64: "q", _FLOAT: "f"}.get(kind)
    if form is None or len(raw) > 64 * struct.calcsize(form):
        return ()
    return tuple(struct.unpack(f"<{len(raw) // struct.calcsize(form)}{form}", raw))


def _at_most(count: int, most: int, what: str) -> None:
    if count > most:
        raise BundleError(f"has {count} {what}; {most} is the most")
