"""TFLite files that are more than a network: each is refused with one line, before LiteRT runs."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge.bundle.tflite_file import OPERATORS, check_tflite
from edge.errors import BundleError
from tests.support.tflite import Network, flatbuffers, schema


def _good() -> bytes:
    network = Network()
    pixels = network.input((1, 16, 16, 1))
    found = network.conv(pixels, np.ones((2, 3, 3, 1)), np.zeros(2), (0.1, 0))
    found = network.reduce(network.average_pool(found, 2), "MEAN", [1, 2])
    return network.data(network.dense(found, np.ones((3, 2)), np.zeros(3), (0.1, 0)))


GOOD = _good()


def changed(change: Callable[[Any], object]) -> bytes:
    """The good network with a change."""
    model = schema.ModelT.InitFromPackedBuf(GOOD)
    change(model)
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def refusal(data: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        check_tflite(data)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 300
    return said


def code(number: int, custom: str | None = None) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        entry = model.operatorCodes[0]
        entry.builtinCode, entry.deprecatedBuiltinCode = number, min(number, 127)
        entry.customCode = custom

    return change


def test_a_network_is_fine_and_the_change_of_nothing_too() -> None:
    check_tflite(GOOD)
    check_tflite(changed(lambda model: None))


@pytest.mark.parametrize(
    "name",
    [
        "CUSTOM",
        "CALL",
        "CALL_ONCE",
        "IF",
        "WHILE",
        "DELEGATE",
        "HASHTABLE",
        "VAR_HANDLE",
        "READ_VARIABLE",
        "ASSIGN_VARIABLE",
        "FILL",
        "RANGE",
        "TILE",
        "BROADCAST_TO",
        "RANDOM_UNIFORM",
        "LSTM",
        "RNN",
        "STABLEHLO_CUSTOM_CALL",
        "STABLEHLO_COMPOSITE",
        "STABLEHLO_WHILE",
    ],
)
def test_an_operator_that_is_not_listed(name: str) -> None:
    number = getattr(schema.BuiltinOperator, name)
    assert refusal(changed(code(number))) == (
        f"operator {number} is not among those that a network may have"
    )


def test_a_custom_operator() -> None:
    """Flex operators, for instance, run TensorFlow's, which read and write files."""
    assert "custom operator b'FlexReadFile'" in refusal(changed(code(32, "FlexReadFile")))
    assert "custom operator" in refusal(changed(code(0, "FlexReadFile")))

    def hidden(model: Any) -> None:
        """LiteRT takes the larger of both fields."""
        model.operatorCodes[0].builtinCode, model.operatorCodes[0].deprecatedBuiltinCode = 0, 32

    assert "operator 32" in refusal(changed(hidden))


def test_every_listed_operator_has_its_number() -> None:
    numbers = {
        name: number for name, number in vars(schema.BuiltinOperator).items() if name.isupper()
    }
    assert {name: number for number, name in OPERATORS.items()}.items() <= numbers.items()


def _set(path: str, value: object) -> Callable[[Any], None]:
    """path: attributes and places, as subgraphs.0.tensors.1.shape."""

    def change(model: Any) -> None:
        *way, last = path.split(".")
        for step in way:
            model = model[int(step)] if step.isdigit() else getattr(model, step)
        setattr(model, last, value)

    return change


def test_weights_outside_the_graphs_file() -> None:
    for change in (
        lambda model: (_set("buffers.2.offset", 4)(model), _set("buffers.2.size", 100)(model)),
        _set("buffers.1.offset", 1 << 40),
    ):
        assert "lies outside the graph's file" in refusal(changed(change))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 2),
        ("subgraphs", []),
        ("subgraphs.0.inputs", [0, 1]),
        ("subgraphs.0.inputs", [99]),
        ("subgraphs.0.outputs", [-1]),
        ("subgraphs.0.tensors.1.shape", [1 << 30, 1 << 10]),
        ("subgraphs.0.tensors.1.shape", [1] * 9),
        ("subgraphs.0.tensors.1.shape", [-4, 2]),
        ("subgraphs.0.tensors.1.shape", [3]),
        ("subgraphs.0.tensors.1.buffer", 9999),
        ("subgraphs.0.tensors.1.type", schema.TensorType.STRING),
        ("subgraphs.0.tensors.1.type", schema.TensorType.RESOURCE),
        ("subgraphs.0.tensors.1.isVariable", True),
        ("subgraphs.0.tensors.1.sparsity", schema.SparsityParametersT()),
        ("subgraphs.0.operators.0.opcodeIndex", 77),
        ("subgraphs.0.operators.0.inputs", [0, 1000]),
        ("subgraphs.0.operators.0.inputs", [-2]),
        ("subgraphs.0.operators.0.outputs", [1]),
        ("subgraphs.0.operators.0.customOptions", [1, 2, 3]),
        ("subgraphs.0.operators.0.mutatingVariableInputs", [True]),
        ("subgraphs.0.operators.0.intermediates", [0]),
        ("metadataBuffer", [99]),
    ],
)
def test_what_leads_to_nothing_or_claims_too_much(path: str, value: object) -> None:
    assert refusal(changed(_set(path, value)))


def test_a_second_graph() -> None:
    def change(model: Any) -> None:
        model.subgraphs.append(copy.deepcopy(model.subgraphs[0]))

    assert refusal(changed(change)) == "holds 2 graphs; expected one"


def test_a_file_that_is_none() -> None:
    for data in (
        b"",
        b"TFL3" * 4,
        b"\x08\0\0\0TFL2" + GOOD[8:],
        GOOD[:200],
        b"\xff" * 4 + GOOD[4:],
    ):
        refusal(data)


def test_whatever_is_accepted_lies_inside_the_file() -> None:
    """6,000 files with some bytes changed or cut off; seed 5. The library, in Python, raises where
    an offset leads out of the file."""
    chance, accepted = random.Random(5), 0
    for _ in range(6_000):
        data = bytearray(GOOD)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            data[at] = chance.choice((chance.randrange(256), 0, 1, 0x7F, 0x80, 0xFF))
        if chance.random() < 0.1:
            del data[chance.randrange(len(data)) :]
        try:
            check_tflite(bytes(data))
        except BundleError:
            continue
        accepted += 1
        model = schema.Model.GetRootAs(bytes(data))
        graph = model.Subgraphs(0)
        assert model.SubgraphsLength() == 1
        for number in range(graph.OperatorsLength()):
            operator = graph.Operators(number)
            entry = model.OperatorCodes(operator.OpcodeIndex())
            assert max(entry.BuiltinCode(), entry.DeprecatedBuiltinCode()) in OPERATORS
            assert all(-1 <= place < graph.TensorsLength() for place in operator.InputsAsNumpy())
        for number in range(model.BuffersLength()):
            buffer = model.Buffers(number)
            assert (buffer.Offset(), buffer.Size()) == (0, 0)
            assert buffer.DataLength() < len(data)
    assert accepted > 200
