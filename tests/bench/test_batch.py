"""Timing against batch size: the table, every option, and errors in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from bench.batch import Engine, candidates, table, time_batches
from models.data.dataset import DataError
from models.networks import build_detector

ROOT = Path(__file__).resolve().parents[2]


def call(*words: object) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the command binds itself to one core."""
    command = [sys.executable, "-m", "bench.batch", *(str(word) for word in words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def header(text: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith("| batch")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_paper_s_columns_are_among_the_settings() -> None:
    names = [one.name for one in candidates(["paper", "lean"])]
    assert names == [
        "paper grey 4×4",
        "paper colour 4×4",
        "paper grey 2×2",
        "paper colour 2×2",
        "lean grey 2×2",
        "lean colour 2×2",
    ]
    assert not any(one.network.training for one in candidates(["lean"]))


def test_each_engine_is_timed_at_each_batch() -> None:
    (grey, _) = candidates(["lean"])
    times = time_batches(grey, (1, 4), tuple(Engine), rounds=2)
    assert set(times) == {(engine, batch) for engine in Engine for batch in (1, 4)}
    assert all(ms > 0 for ms in times.values())


def test_table_worked_out_by_hand() -> None:
    measured = {"a": {(Engine.ORT, 1): 2.0, (Engine.ORT, 8): 12.0}}
    assert table(measured, (1, 8), (Engine.ORT,)).splitlines() == [
        "| batch | a, ort |",
        "| --- | --- |",
        "| 1 | 2.0 (2.00) |",
        "| 8 | 12.0 (1.50) |",
    ]


def test_command_times_what_it_is_told(tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.md"
    words = ["--batch", 2, "--batch", 1, "--rounds", 1, "--engine", "torch", "--out", out]
    done = call("--run", tiny_run, *words)
    assert done.returncode == 0, done.stderr
    text = out.read_text()
    assert header(text) == ["batch", f"{tiny_run} grey 2×2, torch"]
    assert [line.split("|")[1].strip() for line in text.splitlines()[4:]] == ["1", "2"]
    assert "1 rounds" in text
    assert text.strip() == done.stdout.strip()
    both = call("--run", tiny_run, "--network", "lean", *words)
    assert len(header(both.stdout)) == 4


def test_what_is_wrong_is_one_line_and_status_1(tmp_path: Path) -> None:
    for words, says in (
        (["--network", "none"], "no network 'none'"),
        (["--run", tmp_path / "gone"], "gone/run.json"),
    ):
        done = call(*words)
        assert done.returncode == 1
        assert len(done.stdout.strip().splitlines()) == 1
        assert says in done.stdout
    with pytest.raises(DataError, match="no network"):
        candidates(["none"])
    with pytest.raises(ValueError, match="no network"):
        build_detector("none", 1, 2)
