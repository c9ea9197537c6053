"""Untrained networks: bundles that an engine proves, their time, and a bundle against a budget."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

from edge.bundle import parse_bundle, write_bundle
from edge.chain.load import build_inspector, prove
from edge.errors import OutfeedError
from edge.images import decode_image
from edge.records import Decision, Frame
from export.budget import budget_words, check_budget
from export.errors import ExportError
from export.job import ExportJob, run_job
from export.ladder import timing
from export.ladder.untrained import UntrainedNetwork, noise
from export.options import ExportOptions
from export.pack import Exported
from export.page import render
from models.ladder.measure import TimingRequest
from models.ladder.record import BudgetRecord, ChainTime, Measured, RungTime, Subject
from models.runs.run import Run
from tests.export.conftest import OPTIONS

ROOT = Path(__file__).resolve().parents[2]
NANO = Subject(name="nano", height=72, width=100, channels=1)


def budget(ms: float, **changes: object) -> BudgetRecord:
    values = {
        "budget_ms": ms,
        "target": "this machine",
        "is_estimate": False,
        "method": "measured",
        "scale": 1.0,
        "width": 96,
        "height": 96,
        "region_ms": 0.1,
        "rungs": (RungTime(network="lean", p50_ms=1, p99_ms=1, needs_ms=1),),
        "chosen": "lean",
    }
    return BudgetRecord.model_validate(values | changes)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_bundle_is_proven_and_finds_no_defect_in_noise(channels: int) -> None:
    network = UntrainedNetwork("nano", channels)
    subject = NANO.model_copy(update={"channels": channels})
    bundle = parse_bundle(network.bundle(subject))
    assert [build.name for build in bundle.manifest.builds] == ["onnx-int8"]
    inspector = build_inspector(bundle, now_ns=lambda: 0)
    prove(bundle, inspector)
    (frame, _) = noise(2, (72, 100), channels)
    assert inspector.inspect(Frame(0, 0, 0, 0, frame)).decision is Decision.PASS
    # The same network takes frames of another size.
    larger = parse_bundle(network.bundle(subject.model_copy(update={"height": 200})))
    picture = decode_image(larger.files[larger.manifest.golden[0].file], name="golden")
    assert picture.shape[:2] == (200, 100)
    prove(larger, build_inspector(larger, now_ns=lambda: 0))


def test_a_method_without_a_network_in_int8_has_no_time_before_training() -> None:
    with pytest.raises(ExportError, match="its time is known after the training"):
        UntrainedNetwork("texture", 1)


@pytest.mark.timeout(300)
def test_the_command_times_networks_and_names_those_it_cannot_time(tmp_path: Path) -> None:
    subjects = (NANO, NANO.model_copy(update={"name": "threshold"}))
    request = TimingRequest(subjects=subjects, kinds=2, seconds=0.05)
    # As `python -m export.ladder`, with each network traced once for all processes of the run.
    command = [sys.executable, "-m", "tests.support.interrupted", "", "1"]
    done = subprocess.run(
        [*command, "export.ladder", str(tmp_path)],
        input=request.model_dump_json(),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    found = Measured.model_validate(json.loads(done.stdout))
    (nano,) = found.times
    assert nano.subject == NANO
    assert "onnx-int8" in nano.engine
    assert 0 < nano.p50_ms <= nano.p99_ms
    assert nano.frames >= 2
    assert found.region_ms > 0
    (threshold,) = found.not_timed
    assert threshold.subject.name == "threshold"
    assert "is not a network in int8" in threshold.reason
    assert list(tmp_path.iterdir()) == [], "no bundle is left"


def test_a_network_that_no_engine_runs_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> UntrainedNetwork:
        raise RuntimeError("Failed to trace. See the log")

    monkeypatch.setattr(timing, "UntrainedNetwork", refuse)
    monkeypatch.setattr(timing, "region_ms", lambda *_: 0.1)
    measured = timing.measure(TimingRequest(subjects=(NANO,), kinds=1), tmp_path)
    assert measured.times == ()
    assert measured.not_timed[0].reason == "nano: cannot be exported untrained: Failed to trace"


def test_a_bundle_is_compared_with_the_budget_of_its_run(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.budget.SECONDS", 0.05)
    path = tmp_path / "tiny.outfeed"
    write_bundle(path, exported.data)
    met = check_budget(path, exported.bundle, budget(10_000.0))
    assert met.is_met
    assert met.p99_ms is not None
    assert met.needs_ms == pytest.approx(met.p99_ms / 0.9)
    assert budget_words(met).startswith("The bundle meets the budget of 10000 ms on this machine")
    assert "measured on its golden frames" in budget_words(met)
    missed = check_budget(path, exported.bundle, budget(0.001))
    assert not missed.is_met
    assert "does NOT meet the budget of 0.001 ms" in budget_words(missed)
    slow = budget(10_000.0, scale=1e6, spread=1.5, is_estimate=True)
    board = check_budget(path, exported.bundle, slow)
    assert not board.is_met
    assert "an estimate" in budget_words(board)


def test_a_bundle_that_no_engine_runs_meets_no_budget(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nothing:
        chosen = None

    monkeypatch.setattr("export.budget.select", lambda *_, **__: Nothing())
    verdict = check_budget(tmp_path / "x", exported.bundle, budget(5.0))
    assert not verdict.is_met
    assert budget_words(verdict) == "The budget of 5 ms: the bundle could not be timed."


def test_the_export_records_and_shows_whether_the_budget_is_met(
    tiny_run: Path, exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Run(tiny_run).record().model_copy(update={"budget": budget(10_000.0)})
    monkeypatch.setattr(Run, "record", lambda _: record)
    monkeypatch.setattr("export.job.build_bundle", lambda *_, **__: exported)
    monkeypatch.setattr("export.job.write_export", lambda *_: None)
    monkeypatch.setattr("export.budget.SECONDS", 0.05)
    pages: list[str] = []
    monkeypatch.setattr(
        "export.job.write_page",
        lambda _folder, found, certified: pages.append(render(found, certified)),
    )
    options = ExportOptions(name="tiny", formats=OPTIONS.formats)
    done = run_job(ExportJob(tiny_run, tmp_path / "tiny.outfeed", None, None, options))
    assert done.record.budget is not None
    assert done.record.budget.is_met
    assert budget_words(done.record.budget) in pages[0]


def test_the_less_disturbed_of_two_passes_counts_and_a_refusal_leaves_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lean = NANO.model_copy(update={"name": "lean"})

    class Untrained:
        def __init__(self, name: str, _channels: int) -> None:
            self.name = name

        def bundle(self, _subject: Subject) -> bytes:
            return self.name.encode()

    order: list[str] = []
    times_ms = iter((9.0, 4.0, 3.0, 8.0))

    def time(subject: Subject, path: Path, seconds: float) -> ChainTime:
        assert path.read_bytes() == subject.name.encode()
        assert seconds == 1.0
        order.append(subject.name)
        ms = next(times_ms)
        if ms == 3.0:
            raise OutfeedError("crashed")
        return ChainTime(subject=subject, engine="ort", frames=1, p50_ms=ms, p99_ms=ms)

    monkeypatch.setattr(timing, "UntrainedNetwork", Untrained)
    monkeypatch.setattr(timing, "_time", time)
    monkeypatch.setattr(timing, "region_ms", lambda *_: 0.1)
    request = TimingRequest(subjects=(NANO, lean), kinds=1, seconds=2.0)
    measured = timing.measure(request, tmp_path)
    assert order == ["nano", "lean", "lean", "nano"]
    assert [(each.subject.name, each.p50_ms) for each in measured.times] == [("nano", 8.0)]
    assert [(each.subject.name, each.reason) for each in measured.not_timed] == [
        ("lean", "crashed")
    ]
