"""The commissioning record: when it is GO, which results stay valid, writing and reading."""

from pathlib import Path

import pytest

from edge.commission.page import commission_page
from edge.commission.record import (
    DEPENDS,
    STEPS,
    CommissionRecord,
    conclude,
    read_record,
    valid_results,
    with_fingerprints,
    write_record,
)
from edge.commission.result import (
    Figure,
    Proposal,
    StepOutcome,
    StepResult,
    judge_figures,
    rounded,
    skipped_step,
)
from edge.errors import ConfigError, OutfeedError

NOW = {name: "a" for step in STEPS for name in DEPENDS[step]}
SPEED = (
    Figure(name="greatest rate", value=40, unit="parts/s"),
    Figure(name="greatest speed", value=900, unit="counts/s"),
)


def go(step: str) -> StepResult:
    return with_fingerprints(
        judge_figures(step, SPEED if step == "speed" else (), good="fine"), NOW
    )


def all_go() -> list[StepResult]:
    return [go(step) for step in STEPS]


def concluded(results: list[StepResult], *may_skip: str) -> CommissionRecord:
    return conclude("press-3", "tiles-1", results, NOW, may_skip=may_skip)


def test_figures_and_their_limits() -> None:
    assert Figure(name="a", value=2, low=2, high=2).fits
    assert not Figure(name="a", value=2, low=2.1).fits
    assert not Figure(name="a", value=2, high=1.9).fits
    assert Figure(name="a", value=2, low=1, high=3.25).limits == "at least 1, at most 3.25"
    assert [rounded(value) for value in (0, 0.073271, 1234.5, 22.4)] == [
        "0",
        "0.07327",
        "1234",
        "22.4",
    ]
    result = judge_figures(
        "focus", [Figure(name="mean", value=9, unit="ms", high=5)], faults=["dark"]
    )
    assert (result.outcome, result.reason) == (StepOutcome.NO_GO, "dark; mean 9 ms, at most 5")


def test_go_needs_every_step() -> None:
    record = concluded(all_go())
    assert (record.outcome, record.reason) == (StepOutcome.GO, "fine")
    assert {"outfeed", "python", "kernel", "onnxruntime"} <= set(record.versions)
    assert (record.greatest_rate_hz, record.greatest_counts_per_s) == (40, 900)
    for step in STEPS:
        rest = [result for result in all_go() if result.step != step]
        assert concluded(rest).reason == f"{step} was not done"
        assert concluded(rest, step).outcome is StepOutcome.GO
        without = [*rest, skipped_step(step, "no operator")]
        assert concluded(without).reason == f"{step} was skipped: no operator"
        assert concluded(without, step).outcome is StepOutcome.GO
        wrong = [*rest, judge_figures(step, (), faults=["too dark"])]
        assert concluded(wrong, step).reason == f"{step}: too dark"  # may be skipped, not wrong


def test_a_result_is_valid_until_a_part_that_it_depends_on_changes() -> None:
    record = concluded(all_go())
    assert set(valid_results(record, NOW)) == set(STEPS)
    assert valid_results(None, NOW) == {}
    for name in NOW:
        left = valid_results(record, {**NOW, name: "b"})
        assert set(left) == {step for step in STEPS if name not in DEPENDS[step]}


def test_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "state" / "commission.json"
    assert read_record(path) is None
    record = concluded(all_go())
    write_record(path, record)
    assert read_record(path) == record
    path.write_text(path.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(ConfigError, match="has format 9, expected 1"):
        read_record(path)
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"commission\.json: is damaged: "):
        read_record(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_record(path)
    with pytest.raises(OutfeedError, match="cannot be written"):
        write_record(path, record)


def test_the_page_shows_every_figure_and_has_no_script(tmp_path: Path) -> None:
    (tmp_path / "focus.png").write_bytes(b"picture")
    proposal = Proposal(section="line", key="travel_ms", value=4.5, why="measured", mends="travel")
    wrong = judge_figures(
        "focus",
        [Figure(name="mean <b>", value=9, unit="ms", high=5)],
        notes=["a lamp"],
        proposals=[proposal],
        pictures=("focus.png", "absent.png"),
    )
    page = commission_page(concluded([wrong]), tmp_path)
    for text in ("press-3", "NO-GO", "mean &lt;b&gt;", "at most 5", "a lamp", "travel_ms = 4.5"):
        assert text in page
    assert page.count("<img ") == 1
    assert "<script" not in page
