"""The graph of an ONNX file: operators, their attributes, and the sizes of constants.

``check_onnx`` must have accepted the file. Nothing is run, and no weights are unpacked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.bundle.onnx_file import OnnxConstant, OnnxFile
from edge.bundle.protobuf import signed


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One operator. ints, texts: its attributes; a single number is a tuple of one."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ints: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    def number(self, name: str, default: int) -> int:
        """Return an attribute with one number, or the default."""
        return self.ints.get(name, (default,))[0]


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """The operators in an order in which they can run. constants: by name. inputs: those of the
    network, without its constants."""

    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, OnnxConstant]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def read_onnx_graph(data: bytes) -> OnnxGraph:
    """Return the graph of an ONNX file. Raises BundleError. Blocks for some 10 ms."""
    file = OnnxFile(data)
    constants = dict(file.constants())
    nodes = []
    for message in file.nodes():
        ints: dict[str, tuple[int, ...]] = {}
        texts: dict[str, str] = {}
        for attribute in file.attributes(message):
            name = attribute.text("name")
            if attribute.has("i") or attribute.has("ints"):
                numbers = (*attribute.all_numbers("i"), *attribute.all_numbers("ints"))
                ints[name] = tuple(map(signed, numbers))
            elif attribute.has("s"):
                texts[name] = attribute.text("s")
            elif attribute.has("t"):
                constants[message.texts("output")[0]] = file.tensor(attribute)
        nodes.append(
            OnnxNode(
                message.text("op_type"),
                tuple(message.texts("input")),
                tuple(message.texts("output")),
                ints,
                texts,
            )
        )
    inputs = tuple(name for name in file.values("input") if name not in constants)
    return OnnxGraph(tuple(nodes), constants, inputs, tuple(file.values("output")))
