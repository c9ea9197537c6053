"""--engine and --precision of inspect, bench and bundle verify."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("ai_edge_litert", reason="pip install 'outfeed[litert]'")
pytest.importorskip("openvino", reason="pip install 'outfeed[openvino]'")

from edge.bundle import write_bundle
from edge.engines.registry import ENGINES
from tests.cli.conftest import Outfeed
from tests.engines.both import both_formats

BUILDS = {"ort": "onnx-int8", "litert": "tflite-int8", "openvino": "onnx-int8"}


@pytest.fixture
def both(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "both.outfeed", both_formats())
    return tmp_path / "both.outfeed"


@pytest.mark.parametrize("name", list(ENGINES))
def test_inspect(outfeed: Outfeed, both: Path, pictures: Path, name: str) -> None:
    result = outfeed("inspect", pictures, "-b", both, "--engine", name, "--precision", "int8")
    assert result.status == 0
    judged = {line["file"]: [each["kind"] for each in line["defects"]] for line in result.records}
    kinds = {"clean.png": [], "faint.png": [], "hole.png": ["hole"], "sub/stain.png": ["stain"]}
    assert judged == kinds


@pytest.mark.parametrize("name", list(ENGINES))
def test_bench(outfeed: Outfeed, both: Path, name: str) -> None:
    arguments = ("--engine", name, "--threads", 2, "--repeat", 1)
    report = json.loads(outfeed("bench", "-b", both, *arguments, "--json").out)
    assert (report["engine"], report["build"], report["threads"]) == (name, BUILDS[name], 2)
    assert report["cold_start"]["first_verdict_ms"] > 10  # its child took the same engine
    assert f"{name}, {BUILDS[name]}" in outfeed("bench", "-b", both, *arguments).out


@pytest.mark.parametrize("name", list(ENGINES))
def test_verify(outfeed: Outfeed, both: Path, name: str) -> None:
    result = outfeed("bundle", "verify", both, "--engine", name, "--precision", "int8")
    assert (result.status, "3 golden frames reproduced" in result.out) == (0, True)


@pytest.mark.parametrize("command", [("inspect", "{folder}", "-b"), ("bench", "-b"), None])
def test_what_is_not_there(
    outfeed: Outfeed, both: Path, pictures: Path, command: tuple[str, ...] | None
) -> None:
    words = [word.format(folder=pictures) for word in command or ("bundle", "verify")]
    for arguments, status, said in (
        (("--engine", "abacus"), 2, "--engine abacus: expected ort, litert, openvino"),
        (("--precision", "int4"), 2, "--precision int4: expected int8 or float32"),
        (("--precision", "float32"), 1, "has no onnx-float32 for ort; it has onnx-int8, tflite"),
    ):
        result = outfeed(*words, both, *arguments)
        assert (result.status, said in result.line) == (status, True), result.err


def test_an_engine_that_is_not_installed(
    outfeed: Outfeed, both: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(ENGINES["ort"]), "missing", lambda kind: f"no {kind.title} here")
    result = outfeed("bundle", "verify", both, "--engine", "openvino")
    assert (result.status, result.line) == (2, "outfeed: --engine openvino: no OpenVINO here")
