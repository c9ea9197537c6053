"""The registry of engines, and the messages for engines that are missing."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any, get_args

import pytest

from edge.bundle import parse_bundle
from edge.config.engine import EngineConfig
from edge.engines.registry import ENGINES, EngineChoice
from edge.errors import BundleError
from tests.support.bundles import bundle_bytes

MODULES = {
    "ort": "edge.engines.ort",
    "litert": "edge.engines.litert",
    "openvino": "edge.engines.openvino",
}
LIBRARIES = ("onnxruntime", "openvino", "ai_edge_litert", "tflite_runtime")


def without(monkeypatch: pytest.MonkeyPatch, name: str, *libraries: str) -> None:
    """As on a machine where these are not installed."""
    for library in libraries:
        monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, MODULES[name], raising=False)
    package, attribute = MODULES[name].rsplit(".", 1)
    monkeypatch.delattr(sys.modules[package], attribute, raising=False)


def test_the_configuration_knows_the_engines() -> None:
    kinds = get_args(EngineConfig.model_fields["kind"].annotation)
    assert set(kinds) == {"auto", *ENGINES}


def test_no_library_is_imported_before_it_is_used() -> None:
    check = (
        "import sys, edge.chain.load, edge.assembly.station, edge.engines.selection;"
        f"print([name for name in {LIBRARIES} if name in sys.modules])"
    )
    command = [sys.executable, "-c", check]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "libraries", "message"),
    [
        ("ort", ["onnxruntime"], "ONNX Runtime is not installed: pip install 'onnxruntime'"),
        ("openvino", ["openvino"], "OpenVINO is not installed: pip install 'outfeed[openvino]'"),
        (
            "litert",
            ["ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tflite_runtime"],
            "LiteRT is not installed: pip install 'outfeed[litert]'",
        ),
    ],
)
def test_an_engine_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, name: str, libraries: list[str], message: str
) -> None:
    without(monkeypatch, name, *libraries)
    assert ENGINES[name].missing() == message
    assert EngineChoice(name).missing() == message
    with pytest.raises(BundleError, match="is not installed"):
        EngineChoice(name).load()


def test_a_library_that_is_there_and_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(providers: Any) -> Any:
        raise ImportError("libx.so.1: cannot open\nshared object file")

    monkeypatch.setitem(ENGINES, "openvino", replace(ENGINES["openvino"], load=broken))
    message = "OpenVINO cannot be loaded: libx.so.1: cannot open shared object file"
    assert EngineChoice("openvino").missing() == message


def test_providers_are_onnx_runtimes() -> None:
    assert EngineChoice(providers=("CPUExecutionProvider",)).missing() is None
    missing = EngineChoice(providers=("NoneExecutionProvider",)).missing()
    assert missing is not None
    assert missing.startswith("the installed ONNX Runtime has no NoneExecutionProvider; it has ")


def test_the_build_is_the_first_of_the_format_and_precision() -> None:
    pytest.importorskip("ai_edge_litert", reason="pip install 'outfeed[litert]'")
    from tests.engines.both import both_formats

    both = parse_bundle(both_formats())
    one = parse_bundle(bundle_bytes())
    assert EngineChoice("ort").build(both).name == "onnx-int8"
    assert EngineChoice("openvino", precision="int8").build(both).name == "onnx-int8"
    assert EngineChoice("litert").build(both).name == "tflite-int8"
    assert [EngineChoice(name).reads(one) for name in ENGINES] == [True, False, True]
    for choice, message in (
        (EngineChoice("litert"), f"{one.id} has no tflite for litert; it has onnx-int8"),
        (EngineChoice(precision="float32"), f"{one.id} has no onnx-float32 for ort; it has"),
    ):
        with pytest.raises(BundleError, match=message):
            choice.build(one)


def test_a_choice_in_words() -> None:
    assert str(EngineChoice()) == "ort 1 thread"
    choice = EngineChoice("ort", 2, "int8", ("CUDAExecutionProvider",))
    assert str(choice) == "ort int8 CUDAExecutionProvider 2 threads"
