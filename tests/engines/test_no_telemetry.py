"""ONNX Runtime's telemetry is off in a station, an export and a benchmark."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.networks import network

ROOT = Path(__file__).parents[2]
_SESSION = """
import sys
from pathlib import Path
for name in sys.argv[2:]:
    __import__(name)
import onnxruntime
onnxruntime.InferenceSession(Path(sys.argv[1]).read_bytes(), providers=["CPUExecutionProvider"])
"""


def left_at_home(folder: Path, *imported: str) -> list[str]:
    """The files that a user's home has after one session."""
    (folder / "home").mkdir(parents=True)
    (folder / "network.onnx").write_bytes(network())
    # It is quiet by itself where it takes the machine for one that tests.
    environment = {k: v for k, v in os.environ.items() if k in ("PATH", "LD_LIBRARY_PATH")}
    environment |= {"HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _SESSION, str(folder / "network.onnx"), *imported]
    subprocess.run(command, check=True, cwd=folder, env=environment, capture_output=True)
    return [path.name for path in (folder / "home").rglob("*") if path.is_file()]


@pytest.mark.parametrize("package", ["edge", "edge.engines.ort", "export", "bench.timing"])
def test_nothing_is_kept_to_be_reported(tmp_path: Path, package: str) -> None:
    if not left_at_home(tmp_path / "plain"):
        pytest.skip("this ONNX Runtime keeps nothing by itself")
    assert left_at_home(tmp_path / "ours", package) == []
