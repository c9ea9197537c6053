"""The command `python -m bench.arm`: its options, its errors, and what it writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")

import typer
from typer.testing import CliRunner, Result

from bench.arm.__main__ import PROFILES, TABLES, main
from bench.arm.boards import BOARDS, X86_MS, rate_of
from bench.arm.cores import CORES, Core
from bench.arm.emulator import TOOLS, Emulator
from bench.arm.figures import ArmFigures, read_figures, write_figures
from bench.arm.published import PUBLISHED
from bench.arm.trace import Span, Trace
from models.ladder.rungs import LADDER

APP = typer.Typer()
APP.command()(main)
SDOT = 0x4E829420
MILLION = 1_000_000


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(APP, [str(each) for each in arguments])


def counted(core: str) -> list[ArmFigures]:
    """Return figures of every workload. A published network takes 1.5 times its least cycles."""
    amounts = [
        ("network", rung.network, engine, (first + 50 * number) * MILLION)
        for engine, first in (("ort", 50), ("litert", 45))
        for number, rung in enumerate(LADDER)
    ]
    amounts += [
        ("network", "classifier", "ort", 5 * MILLION),
        ("chain", "textures-nano", "ort", 51 * MILLION),
    ]
    amounts += [
        ("ncnn", each.network, "ncnn", round(2 * each.ms * each.ghz * 1e6))
        for each in PUBLISHED
        if each.core == core
    ]
    found = []
    for kind, name, engine, count in amounts:
        x86 = core == "avx2"
        families = {} if x86 else {"dot": count // 4, "integer": count - count // 4}
        cycles = 0.0 if x86 else count / 3
        found.append(
            ArmFigures(name, kind, engine, False, core, 10.0, count, 0.0, families, cycles)
        )
    return found


def test_tables_and_profiles_come_from_earlier_counts(tmp_path: Path) -> None:
    for core in CORES:
        write_figures(tmp_path / f"{core}.jsonl", counted(core))
    done = call("--out", tmp_path, "--no-count")
    assert done.exit_code == 0, done.output
    text = (tmp_path / TABLES).read_text(encoding="utf-8")
    for title in ("Instructions per frame", "Which kernels run", "Estimated times"):
        assert f"## {title}" in text
    assert "| nano, LiteRT | 10 | 45 |" in text
    assert "25%" in text
    profiles = json.loads((tmp_path / PROFILES).read_text(encoding="utf-8"))
    assert list(profiles["targets"]) == [board.name for board in BOARDS]
    nano = profiles["targets"]["rpi4"]["networks"]["nano"]
    assert nano["engine"] == "LiteRT"  # of the two engines the faster one
    # The chain takes a million instructions more than its network.
    assert nano["ms"] == pytest.approx(46 / 3 * 1.5 / 1.8, rel=1e-3)
    ns = [ms * 1e6 / ((50 + 50 * rung) * MILLION) for rung, ms in enumerate(X86_MS.values())]
    n100 = profiles["targets"]["n100"]
    assert n100["networks"]["nano"]["ms"] == pytest.approx(
        46 * rate_of(ns).unit * 3.3 * 2 / 2.9, rel=1e-2
    )
    assert n100["error"] == 0.5


def test_without_counts_there_is_one_line(tmp_path: Path) -> None:
    done = call("--out", tmp_path, "--no-count")
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        f"arm: {tmp_path}: holds no counts; expected those of an earlier run"
    ]


def test_an_unknown_core_is_named_with_the_known_ones(tmp_path: Path) -> None:
    done = call("--out", tmp_path, "--core", "a99")
    assert done.exit_code == 1
    assert done.output.splitlines() == [f"arm: core 'a99': expected one of {', '.join(CORES)}"]


def test_a_missing_tool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.arm.networks.make_networks", _make_networks)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    done = call("--out", tmp_path)
    assert done.exit_code == 1
    assert done.output.startswith(f"arm: {TOOLS[0]} is not installed; expected Debian with")
    assert len(done.output.splitlines()) == 1


def _make_networks(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "networks.json").write_text('{"nano": 18, "lean": 70}')


def test_cores_and_networks_are_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, list[str]]] = []
    with_ncnn: list[bool] = []

    def run(self: Emulator, core: Core, job: Path) -> Trace:
        names = [each["name"] for each in json.loads(job.read_text())["workloads"]]
        asked.append((core.name, names))
        spans = [Span(number + 1, 10 + number, {7: 5 + number}) for number in range(len(names) + 1)]
        return Trace({7: (SDOT, SDOT)}, tuple(spans))

    def made(self: Emulator, folder: Path, *, ncnn: bool = False) -> None:
        with_ncnn.append(ncnn)

    monkeypatch.setattr("bench.arm.networks.make_networks", _make_networks)
    monkeypatch.setattr(Emulator, "__init__", made)
    monkeypatch.setattr(Emulator, "run", run)
    out = tmp_path / "one"
    done = call("--out", out, "--core", "a72", "--core", "a76", "--only", "nano")
    assert done.exit_code == 0, done.output
    published = list(dict.fromkeys(each.network for each in PUBLISHED))
    assert asked == [("a72", ["nano", "nano", *published]), ("a76", ["nano", "nano"])]
    assert [each.name for each in read_figures(out / "a76.jsonl")] == ["nano", "nano"]
    asked.clear()
    call("--out", tmp_path / "two", "--core", "a72", "--only", "nano", "--no-published")
    assert asked == [("a72", ["nano", "nano"])]
    assert with_ncnn == [True, False]
    refused = call("--out", tmp_path / "three", "--only", "huge")
    assert refused.output.splitlines() == ["arm: --only huge: no network has such a name"]


@pytest.mark.slow
def test_two_real_counts_are_equal(tmp_path: Path) -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    counts = []
    for _ in range(2):
        done = call("--out", tmp_path, "--core", "a76", "--only", "nano", "--no-published")
        assert done.exit_code == 0, done.output
        counts.append(read_figures(tmp_path / "a76.jsonl"))
    for first, second in zip(*counts, strict=True):
        assert first.instructions == pytest.approx(second.instructions, rel=1e-4)
        assert first.families["dot"] == second.families["dot"] > 0
