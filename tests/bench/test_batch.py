"""Time against batch size: the table, every option, and errors in one line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from bench.batch import BatchEngine, candidates, table, time_batches
from models.data.dataset import DataError
from models.networks import build_detector
from tests.support.preloaded import run_module

ROOT = Path(__file__).resolve().parents[2]


def call(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command in another process, because it binds itself to one core."""
    return run_module("bench.batch", *words)


def header(text: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith("| batch")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_settings_contain_the_columns_of_the_paper() -> None:
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
    times = time_batches(grey, (1, 4), tuple(BatchEngine), rounds=2)
    assert set(times) == {(engine, batch) for engine in BatchEngine for batch in (1, 4)}
    assert all(ms > 0 for ms in times.values())


def test_the_table_agrees_with_a_table_made_by_hand() -> None:
    measured = {"a": {(BatchEngine.ORT, 1): 2.0, (BatchEngine.ORT, 8): 12.0}}
    assert table(measured, (1, 8), (BatchEngine.ORT,)).splitlines() == [
        "| batch | a, ort |",
        "| --- | --- |",
        "| 1 | 2.0 (2.00) |",
        "| 8 | 12.0 (1.50) |",
    ]


def test_the_command_times_the_given_networks_batches_and_engines(
    tiny_run: Path, tmp_path: Path
) -> None:
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


def test_an_error_is_one_line_with_exit_status_1(tmp_path: Path) -> None:
    for words, message in (
        (["--network", "none"], "no network 'none'"),
        (["--run", tmp_path / "gone"], "gone/run.json"),
    ):
        done = call(*words)
        assert done.returncode == 1
        assert len(done.stdout.strip().splitlines()) == 1
        assert message in done.stdout
    with pytest.raises(DataError, match="no network"):
        candidates(["none"])
    with pytest.raises(ValueError, match="no network"):
        build_detector("none", 1, 2)
