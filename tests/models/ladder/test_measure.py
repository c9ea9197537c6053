"""The times of untrained networks: kept for a training that continues, and errors of the child."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytest.importorskip("torch")

from models.data.dataset import DataError
from models.ladder.measure import TIMES, measure
from models.ladder.record import ChainTime, Measured, Subject

NANO = Subject(name="nano", height=64, width=96, channels=1)
ANSWER = Measured(
    processor="a PC",
    region_ms=0.2,
    times=(ChainTime(subject=NANO, engine="ort", frames=5, p50_ms=1.0, p99_ms=1.5),),
)


def child(
    monkeypatch: pytest.MonkeyPatch, status: int, out: str, error: str = ""
) -> list[list[str]]:
    """Replace the child process. Return the commands that are started."""
    started: list[list[str]] = []

    def run(command: list[str], **_more: object) -> subprocess.CompletedProcess[str]:
        started.append(command)
        return subprocess.CompletedProcess(command, status, out, error)

    monkeypatch.setattr(subprocess, "run", run)
    return started


def test_an_equal_request_is_answered_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = child(monkeypatch, 0, ANSWER.model_dump_json())
    folder = tmp_path / "ladder"
    assert measure([NANO], 2, folder) == ANSWER
    assert measure([NANO], 2, folder) == ANSWER
    assert len(started) == 1
    assert started[0][1:3] == ["-m", "export.ladder"]
    assert measure([NANO], 3, folder) == ANSWER
    assert len(started) == 2, "another number of kinds is another request"
    (folder / TIMES).write_text("{")
    measure([NANO], 3, folder)
    assert len(started) == 3, "a damaged file is measured again"


@pytest.mark.parametrize(
    ("status", "out", "error", "message"),
    [
        (1, "", "x\nno space left\n", "the networks cannot be timed: no space left"),
        (1, "", "", "no reason given"),
        (0, "{}", "", "their times are no JSON"),
    ],
)
def test_a_failed_child_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    out: str,
    error: str,
    message: str,
) -> None:
    child(monkeypatch, status, out, error)
    with pytest.raises(DataError, match=message):
        measure([NANO], 2, tmp_path)
    assert not (tmp_path / TIMES).exists()
