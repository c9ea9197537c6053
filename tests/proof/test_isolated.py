"""A bundle that hangs, eats memory or is wrong ends a child and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge.proof.isolated
from edge.benchmark.timing import cold_start
from edge.bundle import Bundle, parse_bundle
from edge.child_processes import FOLDER, command_of, environment_of
from edge.engines.registry import EngineChoice
from edge.errors import BundleError
from edge.proof import ProofLimits, prove_in_child, prove_new, remember_proof
from tests.support.bundles import bundle_bytes, onnx, small_bundle

GOOD = parse_bundle(bundle_bytes())
ENGINE = EngineChoice()
SOME = ProofLimits(60.0, 1024)


@pytest.fixture(autouse=True)
def _nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.proof.isolated, "_proven", set())


def network(nodes: Sequence[Any], constants: dict[str, Any]) -> bytes:
    """A detector whose severity is right, with more nodes of which it needs the last, ``extra``."""
    model = onnx.load_from_string(GOOD.files["detector.onnx"])
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
    mean = next(node for node in model.graph.node if node.op_type == "ReduceMean")
    mean.output[0] = "plain"
    place = list(model.graph.node).index(mean) + 1
    model.graph.node.insert(place, onnx.helper.make_node("Add", ["plain", "extra"], ["grey"]))
    for name, value in constants.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    data: bytes = model.SerializeToString()
    return data


def with_detector(data: bytes) -> Bundle:
    return replace(GOOD, files={**GOOD.files, "detector.onnx": data})


def slow() -> Bundle:
    """Some minutes of products of matrices, which begin at the pixels: nothing is folded."""
    make = onnx.helper.make_node
    nodes = [
        make("Cast", ["pixels"], ["raw"], to=onnx.TensorProto.FLOAT),
        make("ReduceMax", ["raw"], ["m0"], keepdims=0),
        make("Mul", ["square", "m0"], ["p0"]),
        *(make("MatMul", [f"p{number}", "square"], [f"p{number + 1}"]) for number in range(3000)),
        make("ReduceMax", ["p3000"], ["top"], keepdims=0),
        make("Mul", ["top", "nothing"], ["extra"]),
    ]
    square = np.zeros((1024, 1024), np.float32)
    return with_detector(network(nodes, {"square": square, "nothing": np.float32(0)}))


def large() -> Bundle:
    """A sum of a column and a row: 100,000 × 100,000 numbers."""
    make = onnx.helper.make_node
    nodes = [
        make("Cast", ["pixels"], ["raw"], to=onnx.TensorProto.FLOAT),
        make("ReduceMax", ["raw"], ["m0"], keepdims=0),
        make("Mul", ["column", "m0"], ["tall"]),
        make("Add", ["tall", "row"], ["table"]),
        make("ReduceMax", ["table"], ["extra"], keepdims=0),
    ]
    side = np.zeros((100_000, 1), np.float32)
    return with_detector(network(nodes, {"column": side, "row": side.T.copy()}))


def test_a_good_bundle_proves_itself_once(monkeypatch: pytest.MonkeyPatch) -> None:
    prove_in_child(GOOD, ENGINE, SOME)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("another child")

    monkeypatch.setattr(subprocess, "run", never)
    prove_in_child(GOOD, ENGINE, SOME)
    with pytest.raises(AssertionError, match="another child"):
        prove_in_child(GOOD, replace(ENGINE, threads=2), SOME)


def test_a_network_that_computes_without_end() -> None:
    with pytest.raises(BundleError, match=r"dark-spots-1\.0-\w+: .*( s)") as caught:
        prove_in_child(slow(), ENGINE, ProofLimits(4.0, 1024))
    assert "\n" not in str(caught.value)


def test_a_network_that_wants_all_memory() -> None:
    before = _free_kb()
    with pytest.raises(BundleError, match=r"Failed to allocate memory for .* 40000000000"):
        prove_in_child(large(), ENGINE, SOME)
    assert _free_kb() > before // 2


def _free_kb() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def test_what_a_child_may_have() -> None:
    """As the kernel has it, of a child that waits for its bundle."""
    limits, engine = json.dumps({"seconds": 7.0, "memory_mb": 300}), json.dumps(_words(ENGINE))
    command = command_of("edge.proof", limits, engine, str(os.getpid()))
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=FOLDER, env=environment_of()
    )
    try:
        until_s = time.monotonic() + 30
        # The size of files is the last of the limits.
        while (found := _limits_of(child.pid))["Max file size"] != ["0", "0"]:
            assert time.monotonic() < until_s, found
            time.sleep(0.01)
        oom = Path(f"/proc/{child.pid}/oom_score_adj").read_text().strip()
    finally:
        child.communicate(b"no bundle")
    assert oom == "1000"
    assert found["Max data size"] == ["314572800", "314572800"]
    assert found["Max cpu time"] == ["7", "9"]
    assert found["Max core file size"] == ["0", "0"]
    assert child.returncode == edge.proof.isolated.REFUSED


def _limits_of(pid: int) -> dict[str, list[str]]:
    """Return the soft and hard limit by name, as the kernel has them."""
    text = Path(f"/proc/{pid}/limits").read_text()
    return {line[:26].strip(): line[26:].split()[:2] for line in text.splitlines()}


def _words(engine: EngineChoice) -> dict[str, object]:
    return {"name": engine.name, "threads": 1, "precision": None, "providers": []}


def test_a_child_that_crashes_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an engine's illegal instruction would be."""
    for script, said in (
        ("kill -ILL $$", "ended by SIGILL"),
        ("kill -SEGV $$", "ended by SIGSEGV"),
        ("kill -KILL $$", "was killed: above"),
        ("kill -XCPU $$", "took more than 60 s of processor time"),
        ("echo 'a reason' >&2; exit 1", "failed: a reason"),
        ("exit 3", "failed: no reason given"),
    ):
        command = ["sh", "-c", f"cat > /dev/null; {script}"]
        monkeypatch.setattr(edge.proof.isolated, "command_of", lambda *_, c=command: c)
        with pytest.raises(
            BundleError, match=rf"dark-spots-\S+: proving it on ort 1 thread {said}"
        ):
            prove_in_child(GOOD, ENGINE, SOME)


def test_a_bundle_that_does_not_reproduce_itself() -> None:
    golden = GOOD.manifest.golden[1].model_copy(update={"decision": "PASS", "defects": ()})
    manifest = GOOD.manifest.model_copy(update={"golden": (golden,)})
    with pytest.raises(BundleError, match=r"does not reproduce its golden frame golden/hole\.png"):
        prove_in_child(replace(GOOD, manifest=manifest), ENGINE, SOME)


def test_a_bundle_that_was_proven_here_needs_no_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, children = tmp_path / "state/proven.json", []
    monkeypatch.setattr(
        "edge.proof.proven.prove_in_child", lambda bundle, engine: children.append(engine)
    )
    prove_new(GOOD, ENGINE, path)
    assert not path.exists()
    remember_proof(GOOD, ENGINE, path)
    remember_proof(GOOD, ENGINE, path)
    prove_new(GOOD, ENGINE, path)
    assert len(children) == 1
    others = ((replace(GOOD, digest="1" * 64), ENGINE), (GOOD, replace(ENGINE, threads=2)))
    for bundle, engine in others:
        prove_new(bundle, engine, path)
        remember_proof(bundle, engine, path)
    assert len(children) == 3
    for bundle, engine in (*others, (GOOD, ENGINE)):
        prove_new(bundle, engine, path)
    assert len(children) == 3
    monkeypatch.setattr("edge.__version__", "0.0.0")
    prove_new(GOOD, ENGINE, path)
    assert len(children) == 4


@pytest.mark.parametrize("data", [b"", b"{", b'{"format":2}', b"x" * 100_000, b"\xff" * 10])
def test_a_record_that_is_damaged_costs_a_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    path, children = tmp_path / "proven.json", []
    monkeypatch.setattr(
        "edge.proof.proven.prove_in_child", lambda bundle, engine: children.append(engine)
    )
    path.write_bytes(data)
    prove_new(GOOD, ENGINE, path)
    remember_proof(GOOD, ENGINE, path)
    prove_new(GOOD, ENGINE, path)
    assert len(children) == 1


def test_a_record_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BundleError, match=r"proven\.json: cannot be written: "):
        remember_proof(GOOD, ENGINE, tmp_path / "file/proven.json")


def test_children_are_not_those_of_the_folder_they_are_started_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sudo outfeed bench` in a folder of another user must not run modules from there."""
    small_bundle(tmp_path / "small.outfeed")
    (tmp_path / "edge").mkdir()
    trap = f"open({str(tmp_path / 'trapped')!r}, 'w').close()\n"
    for name in ("edge/__init__.py", "numpy.py", "pydantic.py", "ctypes.py", "json.py"):
        (tmp_path / name).write_text(trap)
    monkeypatch.chdir(tmp_path)
    prove_in_child(GOOD, ENGINE, SOME)
    cold_start(Path("small.outfeed"), "ort", "int8", 1)
    assert not (tmp_path / "trapped").exists()
