"""The bench of architectures: its networks, its table and its errors."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed")
import typer
from typer.testing import CliRunner

from bench import architectures
from bench.architectures import make_networks


def test_every_architecture_gives_a_severity_per_cell() -> None:
    import torch

    for name, network in make_networks().items():
        with torch.no_grad():
            cells = network(torch.zeros(1, 1, 128, 128))
        assert tuple(cells.shape[2:]) == (128 // network.stride_px,) * 2, name


def test_the_table_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architectures, "RUNS", 1)
    monkeypatch.setattr(architectures, "read_accuracy", lambda runs: {"nano": (0.5, 0.49)})
    monkeypatch.setattr(architectures, "bind", lambda: 0)
    # Not in this process: training here after OpenVINO 2026.4 has run two networks, then a
    # subprocess, ends with a segmentation fault. test_peers.py runs OpenVINO in another process.
    monkeypatch.setattr(architectures, "has_openvino", lambda: False)
    app = typer.Typer()
    app.command()(architectures.main)
    words = ["--only", "nano", "--rounds", "3", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    head, _, *rows = (tmp_path / "architectures.md").read_text(encoding="utf-8").splitlines()
    for engine in ("torch float32", "ORT float32", "ORT int8"):
        assert f"{engine}, ms" in head
    assert [row.split("|")[1].strip() for row in rows] == ["paper", "nano"]
    assert "0.500" in rows[1]
    assert "0.490" in rows[1]
    assert "nano" in (tmp_path / "architectures.svg").read_text(encoding="utf-8")


def test_a_folder_without_an_export_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(architectures, "bind", lambda: 0)
    app = typer.Typer()
    app.command()(architectures.main)
    result = CliRunner().invoke(app, ["--run", str(tmp_path)])
    assert result.exit_code == 1
    assert "export.json" in result.output or "export.json" in result.stderr
