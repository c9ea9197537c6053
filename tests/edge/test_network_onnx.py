"""ONNX files that are more than a network: each is refused with one line, before an engine runs."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge.bundle.onnx_file import MAX_SCALE, OPERATORS, TREES, check_onnx
from edge.errors import BundleError
from tests.support.bundles import classifier_network, detector_network

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")
helper, numpy_helper, P = onnx.helper, onnx.numpy_helper, onnx.TensorProto

GOOD = detector_network()


def changed(change: Callable[[Any], object]) -> bytes:
    """The good network with a change."""
    model = onnx.load_from_string(GOOD)
    change(model)
    data: bytes = model.SerializeToString()
    return data


def refusal(data: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        check_onnx(data)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 300
    return said


def node(op: str, *inputs: str, **attributes: Any) -> Callable[[Any], object]:
    return lambda model: model.graph.node.append(
        helper.make_node(op, list(inputs) or ["severity"], ["more"], **attributes)
    )


def constant(values: Any, name: str = "c", kind: Any = np.int64) -> Any:
    return numpy_helper.from_array(np.asarray(values, kind), name)


def test_networks_are_fine() -> None:
    for data in (GOOD, detector_network("float32", 3), classifier_network()):
        check_onnx(data)


def _external(model: Any) -> None:
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type, tensor.data_location = "stolen", P.UINT8, P.EXTERNAL
    tensor.dims.append(1000)
    tensor.external_data.add(key="location", value="../../../../etc/shadow")


def _external_without_saying_so(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.external_data.add(key="location", value="/etc/shadow")


def _external_in_an_attribute(model: Any) -> None:
    _external(model)
    tensor = model.graph.initializer.pop()
    model.graph.node.append(helper.make_node("Constant", [], ["more"], value=tensor))


def test_a_constant_in_another_file() -> None:
    for change in (_external, _external_without_saying_so, _external_in_an_attribute):
        assert "lies in another file" in refusal(changed(change))


def _branch(name: str) -> Any:
    output = helper.make_tensor_value_info("b", P.FLOAT, [])
    return helper.make_graph([], name, [], [output], [constant(1, "b", np.float32)])


@pytest.mark.parametrize(
    ("op", "graphs"),
    [("Loop", ("body",)), ("Scan", ("body",)), ("If", ("then_branch", "else_branch"))],
)
def test_loops_and_branches(op: str, graphs: tuple[str, ...]) -> None:
    bodies = {name: _branch(name) for name in graphs}
    assert f"operator '{op}' is not among" in refusal(changed(node(op, **bodies)))
    # Also where an operator that is allowed carries the graph.
    assert "holds field 6" in refusal(changed(node("Relu", **bodies)))


def test_a_function_and_what_calls_it() -> None:
    def change(model: Any) -> None:
        inner = helper.make_node("Relu", ["x"], ["y"])
        made = helper.make_function(
            "own", "Twice", ["x"], ["y"], [inner], [helper.make_opsetid("", 17)]
        )
        model.functions.append(made)
        model.opset_import.append(helper.make_opsetid("own", 1))

    assert "holds field 25" in refusal(changed(change))
    assert "operator 'own.Twice' is not" in refusal(changed(node("Twice", domain="own")))


@pytest.mark.parametrize(
    "op",
    [
        "Expand",
        "Tile",
        "ConstantOfShape",
        "Range",
        "RandomNormal",
        "RandomUniformLike",
        "Multinomial",
        "NonZero",
        "Unique",
        "SequenceConstruct",
        "SequenceAt",
        "SplitToSequence",
        "ConcatFromSequence",
        "Optional",
        "StringConcat",
        "StringSplit",
        "RegexFullMatch",
        "ImageDecoder",
        "OneHot",
        "EyeLike",
        "Compress",
        "LSTM",
        "GRU",
        "RNN",
        "Einsum",
        "MelWeightMatrix",
        "NonMaxSuppression",
        "TopK",
        "CumSum",
        "ScatterND",
        "Upsample",
        "relu",
    ],
)
def test_an_operator_that_is_not_listed(op: str) -> None:
    assert f"operator {op!r} is not among those that a network may have" in refusal(
        changed(node(op))
    )


@pytest.mark.parametrize("domain", ["com.microsoft", "ai.onnx.ml", "ai.onnx.contrib", "x" * 500])
def test_an_operator_of_another_domain(domain: str) -> None:
    assert "is not among" in refusal(changed(node("Relu", domain=domain)))
    assert "is not among" in refusal(changed(node("Inverse", domain=domain)))


def test_trees_are_one_operator_of_their_domain() -> None:
    check_onnx(changed(node(TREES[1], domain=TREES[0], nodes_nodeids=[1 << 30])))
    assert "is not among" in refusal(changed(node(TREES[1])))


def _declared(dims: list[int]) -> Callable[[Any], object]:
    return lambda model: model.graph.value_info.append(
        helper.make_tensor_value_info("v", P.FLOAT, dims)
    )


@pytest.mark.parametrize(
    "dims", [[1 << 40], [1 << 14, 1 << 13], [1 << 24, 8], [-5], [1] * 9, [1 << 62] * 2]
)
def test_a_shape_that_claims_too_much(dims: list[int]) -> None:
    assert refusal(changed(_declared(dims)))


def _claimed(dims: list[int], data: bytes = b"", kind: int = P.FLOAT) -> Callable[[Any], object]:
    def change(model: Any) -> None:
        tensor = model.graph.initializer.add()
        tensor.name, tensor.data_type, tensor.raw_data = "c", kind, data
        tensor.dims.extend(dims)

    return change


@pytest.mark.parametrize(
    ("dims", "data"),
    [
        ([1 << 30], b""),
        ([1 << 20, 1 << 20], b""),
        ([1000], b"x" * 3999),
        ([4], b"x" * 20),
        ([-1], b"xxxx"),
        ([], b""),
        ([], b"x" * 8),
        ([0], b"xxxx"),
        ([1 << 32, 1 << 32], b""),
    ],
)
def test_a_constant_that_is_not_what_it_claims(dims: list[int], data: bytes) -> None:
    assert refusal(changed(_claimed(dims, data)))


@pytest.mark.parametrize("kind", [0, P.STRING, P.COMPLEX64, P.FLOAT8E4M3FN, P.INT4, 99, -1])
def test_a_constant_of_another_kind(kind: int) -> None:
    def change(model: Any) -> None:
        _claimed([4], b"x" * 16)(model)
        model.graph.initializer[-1].data_type = kind

    assert refusal(changed(change))


def test_a_constant_in_two_forms_and_one_that_is_there_twice() -> None:
    def both(model: Any) -> None:
        _claimed([1], b"xxxx")(model)
        model.graph.initializer[-1].float_data.append(1.0)

    def twice(model: Any) -> None:
        model.graph.initializer.append(model.graph.initializer[0])

    assert "in two forms" in refusal(changed(both))
    assert "is there twice" in refusal(changed(twice))


def _sized(op: str, inputs: list[str], value: Any) -> Callable[[Any], object]:
    def change(model: Any) -> None:
        model.graph.initializer.append(value)
        model.graph.node.append(helper.make_node(op, inputs, ["more"]))

    return change


@pytest.mark.parametrize(
    ("op", "inputs", "value"),
    [
        ("Resize", ["severity", "", "c"], constant([1, 1, 1e6, 1e6], kind=np.float32)),
        ("Resize", ["severity", "", "c"], constant([1, 1, np.nan, 1], kind=np.float32)),
        ("Resize", ["severity", "", "c"], constant([1, 1, np.inf, 1], kind=np.float32)),
        ("Resize", ["severity", "", "", "c"], constant([1, 1, 1 << 30, 1 << 30])),
        ("Pad", ["severity", "c"], constant([0, 0, 0, 0, 0, 0, 0, 1 << 33])),
    ],
)
def test_a_size_that_is_too_large(op: str, inputs: list[str], value: Any) -> None:
    assert f"{op}: its size is" in refusal(changed(_sized(op, inputs, value)))


def test_a_size_that_is_computed() -> None:
    for op, inputs in (("Resize", ("grey", "", "gain")), ("Pad", ("grey", "more than one"))):
        said = refusal(changed(node(op, *inputs[:-1], "severity")))
        assert said == f"{op}: the size of its output is computed; expected a constant"
    enlarged = constant([1, 1, MAX_SCALE, 2], kind=np.float32)
    check_onnx(changed(_sized("Resize", ["severity", "", "c"], enlarged)))


@pytest.mark.parametrize("attribute", ["value", "value_ints"])
def test_a_size_by_an_operator_that_is_a_constant(attribute: str) -> None:
    def with_pads(most: int) -> Callable[[Any], object]:
        pads = [0, 0, 0, 0, 0, 0, 0, most]
        value = {attribute: constant(pads) if attribute == "value" else pads}

        def change(model: Any) -> None:
            model.graph.node.append(helper.make_node("Constant", [], ["c"], **value))
            model.graph.node.append(helper.make_node("Pad", ["severity", "c"], ["more"]))

        return change

    check_onnx(changed(with_pads(8)))
    assert "Pad: its size is" in refusal(changed(with_pads(1_000_000)))


@pytest.mark.parametrize("name", ["kernel_shape", "strides", "pads", "dilations"])
def test_a_window_that_is_too_large(name: str) -> None:
    assert f"{name} is 1000000; 1024 is the most" in refusal(
        changed(node("MaxPool", **{name: [2, 1_000_000]}))
    )


def test_too_many_of_everything() -> None:
    def nodes(model: Any) -> None:
        for _ in range(4_001):
            model.graph.node.append(helper.make_node("Relu", ["x"], ["y"]))

    def fields(model: Any) -> None:
        model.graph.initializer.append(
            helper.make_tensor("c", P.INT32, [2_100_000], [1] * 2_100_000)
        )

    assert "nodes; 4000 is the most" in refusal(changed(nodes))
    assert "too many fields" in refusal(changed(fields))


def test_a_file_of_another_kind_that_an_engine_would_take() -> None:
    """ONNX Runtime knows its own format by four bytes, OpenVINO others by their beginning."""
    assert refusal(GOOD[:4] + b"ORTM" + GOOD[8:]) == "is no ONNX file"
    for data in (b"", b"<net/>", b"\x0a\x00", b"no network", GOOD[2:]):
        assert refusal(data) == "is no ONNX file"


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def test_what_a_library_would_merge_or_pass_over() -> None:
    graph = onnx.load_from_string(GOOD).graph.SerializeToString()
    twice = GOOD + b"\x3a" + _varint(len(graph)) + graph
    assert refusal(twice) == "the model: holds graph twice"
    assert refusal(GOOD + b"\x98\x06\x01") == "the model: holds field 99, which no network here has"
    assert refusal(GOOD + b"\x3b\x3c").startswith("the model: holds ")  # a group
    assert refusal(GOOD + b"\x08\x08") == "the model: holds ir_version twice"
    assert "is cut short" in refusal(GOOD[:-1])
    assert "above 64 bits" in refusal(b"\x08" + b"\xff" * 10 + b"\x01")


def test_whatever_is_accepted_is_a_network_to_the_library_too() -> None:
    """4,000 files with some bytes changed, cut out or doubled; seed 17."""
    chance, accepted = random.Random(17), 0
    for _ in range(4_000):
        data = bytearray(chance.choice((GOOD, classifier_network())))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            what = chance.random()
            if what < 0.6:
                data[at] = chance.choice((chance.randrange(256), 0, 1, 0x7F, 0x80, 0xFF))
            elif what < 0.8:
                del data[at : at + chance.randint(1, 8)]
            else:
                data[at:at] = data[at : at + chance.randint(1, 40)]
        try:
            check_onnx(bytes(data))
        except BundleError:
            continue
        accepted += 1
        model = onnx.load_from_string(bytes(data))
        assert not model.functions
        for each in model.graph.node:
            assert (each.domain, each.op_type) == TREES or each.op_type in OPERATORS
            assert each.domain in ("", "ai.onnx", TREES[0])
            assert not any(a.HasField("g") or a.graphs or a.ref_attr_name for a in each.attribute)
        for tensor in model.graph.initializer:
            assert not tensor.external_data
            assert tensor.data_location == P.DEFAULT
            assert numpy_helper.to_array(tensor).size <= 1 << 26
    assert accepted > 200


def test_noise_is_refused() -> None:
    chance = random.Random(3)
    for _ in range(2_000):
        refusal(b"\x08" + chance.randbytes(chance.randint(0, 300)))
