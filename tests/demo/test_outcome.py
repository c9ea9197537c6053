"""The results of a demo, without a run."""

from pathlib import Path

import pytest

from edge.config.station import load_config
from edge.demo.contact_sheet import COLUMNS, ROWS, choose
from edge.demo.folder import DemoFolder
from edge.demo.outcome import DeliveryCount, DemoPart, EjectionResult, compare_ejections
from edge.demo.parts import DemoCamera, DemoPicture
from edge.records import Decision, Verdict
from tests.support.keys import TRUST


def verdict(number: int, decision: Decision) -> Verdict:
    return Verdict(number, decision, "", (), 0.0, None)


P, R, U = Decision.PASS, Decision.REJECT, Decision.UNKNOWN


@pytest.mark.parametrize(
    ("decision", "truth", "escape", "false_reject"),
    [
        (P, None, False, False),
        (P, "hole", True, False),
        (R, None, False, True),
        (R, "hole", False, False),
        (U, None, False, False),
        (U, "hole", False, False),
    ],
)
def test_a_verdict_against_the_truth(
    decision: Decision, truth: str | None, escape: bool, false_reject: bool
) -> None:
    part = DemoPart(verdict(1, decision), truth)
    assert (part.is_escape, part.is_false_reject) == (escape, false_reject)


def test_ejections_are_compared_by_part() -> None:
    verdicts = {n: verdict(n, d) for n, d in enumerate((P, R, U, R, P), start=1)}
    # Part 2 was hit, then the air, then 4 and its neighbour 5 by one pulse; 3 is unknown.
    hits = [[2], [], [4, 5]]
    assert compare_ejections(hits, verdicts, eject_unknown=True) == EjectionResult(2, (5,), (3,), 1)
    assert compare_ejections(hits, verdicts, eject_unknown=False) == EjectionResult(2, (5,), (), 1)
    assert compare_ejections([], {}, eject_unknown=True) == EjectionResult(0, (), (), 0)


@pytest.mark.parametrize(
    ("counts", "complete"), [((5, 5, 5), True), ((5, 5, 4), False), ((5, 4, 5), False)]
)
def test_events_are_complete_only_when_all_three_agree(
    counts: tuple[int, int, int], complete: bool
) -> None:
    assert DeliveryCount(*counts).complete is complete


def demo_parts(*parts: tuple[Decision, str | None]) -> list[DemoPart]:
    return [DemoPart(verdict(n, d), truth) for n, (d, truth) in enumerate(parts, start=1)]


def test_the_sheet_shows_mistakes_first_and_each_picture_once() -> None:
    parts = demo_parts((P, None), (R, "hole"), (R, None), (P, "hole"), (U, None))
    order = [one.verdict.part_id for one in choose(parts, lambda one: one.verdict.part_id)]
    assert order == [4, 3, 2, 5, 1]
    assert [one.verdict.part_id for one in choose(parts, lambda one: 0)] == [1]


def test_the_sheet_is_full_and_leaves_a_row_for_good_parts() -> None:
    parts = demo_parts(*[(R, "hole")] * 40, *[(P, None)] * 40, *[(P, "hole")] * 9, *[(R, None)] * 9)
    chosen = choose(parts, lambda one: one.verdict.part_id)
    assert len(chosen) == COLUMNS * ROWS
    groups = [
        "escape"
        if one.is_escape
        else "false"
        if one.is_false_reject
        else "reject"
        if one.verdict.decision is R
        else "pass"
        for one in chosen
    ]
    assert groups == ["escape"] * 6 + ["false"] * 6 + ["reject"] * 6 + ["pass"] * 6


def test_a_part_shows_the_picture_of_its_number() -> None:
    """Also after a part that was never captured."""
    pictures = tuple(DemoPicture(Path(f"{n}.png"), None) for n in range(3))
    camera = DemoCamera(pictures, clock=None)  # type: ignore[arg-type]
    assert [camera.of(part).path.stem for part in (1, 3, 4, 7)] == ["0", "2", "0", "0"]


@pytest.mark.parametrize("rate_hz", [0.1, 20.0, 100.0])
def test_the_configuration_it_writes_is_read_back(tmp_path: Path, rate_hz: float) -> None:
    folder = DemoFolder.prepare(tmp_path / 'a "quoted" folder')
    config = folder.configure(
        bundle=Path("b.outfeed"),
        trust=[TRUST],
        frames=Path("f"),
        parts=7,
        rate_hz=rate_hz,
        seed=2,
        port=1234,
    )
    assert config == load_config(folder.config)
    assert (config.trigger.parts, config.trigger.seed, config.uplink.port) == (7, 2, 1234)
    assert config.bundle == Path.cwd() / "b.outfeed"
    assert config.trust.keys == (TRUST,)
    # A pulse and a part in front of the ejector fit into the smallest gap.
    assert config.line.pulse_ms + 5 <= 0.9 * 1000 / rate_hz


def test_a_folder_that_a_station_ran_in_is_made_fresh(tmp_path: Path) -> None:
    folder = DemoFolder.prepare(tmp_path)
    for name in ("journal.sqlite", "uplink.json", "bundles.json", "parts.json", "proven.json"):
        (folder.state / name).write_text("{}")
    DemoFolder.prepare(tmp_path)
    assert list(folder.state.iterdir()) == []
