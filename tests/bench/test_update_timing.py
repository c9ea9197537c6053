"""The comparison of verdict times by the phases of an update, on real journals."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.update_timing import chain_times, compare, main, read_events
from edge.errors import UsageError
from edge.events.event import Event, part_event
from edge.events.update import update_event
from edge.journal.writer import Journal
from edge.records import Decision, Timings, Verdict
from edge.update_notes import UpdateNote, UpdateState


def part(number: int, ms: float) -> Event:
    timings = Timings(ms * 1e3, 0.0, 0.0, 0.0, 0.0)
    verdict = Verdict(number, Decision.PASS, "clean", (), 1.0, timings)
    return part_event("press-3", "b-1", verdict, number)


def step(state: UpdateState) -> Event:
    note = UpdateNote("1" * 32, "2" * 32, 7, "b", "2", "a" * 64, state, "", "b-1", "x")
    return update_event("press-3", note)


def journal(folder: Path, shadow_ms: float) -> Path:
    path = folder / "journal.sqlite"
    parts = [part(n, 2.0 + n % 10 / 10) for n in range(1, 201)]
    shadow = [part(n, shadow_ms + n % 10 / 10) for n in range(201, 401)]
    events = [*parts, step("wanted"), part(201, 2.0), step("downloading"), step("checking")]
    events += [step("shadow"), *shadow, step("probation"), part(500, 99.0)]
    cursor = folder / "uplink.json"
    with Journal.open(path, station="press-3", max_bytes=16 << 20, cursor_path=cursor) as opened:
        opened.append(events)
    return path


def test_the_phases_are_compared_within_one_journal(tmp_path: Path) -> None:
    times = chain_times(read_events(journal(tmp_path, 2.2)))
    assert {phase: len(each) for phase, each in times.items()} == {
        "before": 201,
        "shadow": 200,
        "probation": 1,
    }
    before, shadow = compare(times, least_parts=100)
    assert (before.p99_us, before.ratio) == (2900.0, 1.0)
    assert shadow.ratio == pytest.approx(3100 / 2900)


@pytest.mark.parametrize(("shadow_ms", "status"), [(2.0, 0), (2.4, 1)])
def test_the_status_states_whether_the_limit_holds(
    tmp_path: Path, shadow_ms: float, status: int
) -> None:
    path = str(journal(tmp_path, shadow_ms))
    assert main([path, "--least-parts", "100"]) == status
    assert main([path, "--least-parts", "100", "--most", "2"]) == 0


def test_too_few_parts_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = journal(tmp_path, 2.0)
    assert main([str(path)]) == 2
    line = "update_timing: 201 parts before an update: expected at least 1000 in the journal\n"
    assert capsys.readouterr().err == line
    with pytest.raises(UsageError, match="expected the journal of a station"):
        list(read_events(tmp_path / "none"))
