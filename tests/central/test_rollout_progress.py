"""Cohorts and their progress: pure functions."""

from __future__ import annotations

from typing import Any

import pytest

from central.rollouts.cohorts import Candidate, divide
from central.rollouts.progress import CohortStep, StationProgress, overdue, step_cohort
from edge.errors import UsageError

NEW = "mine-2.0-aaaaaaaaaaaa"
HOUR_US = 3_600_000_000


def one(state: str, name: str = "a", running: str = NEW, **changes: Any) -> StationProgress:
    return StationProgress(
        **{"wanted": NEW, "since_us": 0, **changes}, name=name, state=state, running=running
    )


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["accepted"], "advance"),
        (["accepted", "accepted"], "advance"),
        # Delivery, download, shadow and probation are no success.
        (["accepted", "released"], "wait"),
        (["accepted", "wanted"], "wait"),
        (["accepted", "downloading"], "wait"),
        (["accepted", "checking"], "wait"),
        (["accepted", "shadow"], "wait"),
        (["accepted", "probation"], "wait"),
        (["accepted", "kept"], "wait"),
        (["accepted", "pinned", "replaced", "superseded"], "advance"),
        (["pinned"], "pause"),
        (["replaced", "pinned"], "pause"),
        (["accepted", "refused"], "pause"),
        (["shadow", "reverted"], "pause"),
        (["shadow", "expired"], "pause"),
    ],
)
def test_a_cohort_is_done_when_every_station_has_accepted(states: list[str], expected: str) -> None:
    stations = [one(state, f"s{number}") for number, state in enumerate(states)]
    assert step_cohort(stations).action == expected


def test_accepted_counts_with_the_running_bundle_only() -> None:
    step = step_cohort([one("accepted", running="old-1.0-bbbbbbbbbbbb")])
    assert step == CohortStep("pause", "a: accepted, but it runs old-1.0-bbbbbbbbbbbb")
    assert step_cohort([one("accepted", running="")]).fault.endswith("it runs another bundle")


def test_a_pause_names_the_first_failure_and_how_many_there_are() -> None:
    stations = [one("accepted"), one("reverted", "b", reason="too many rejects"), one("refused")]
    assert step_cohort(stations).fault == "b: reverted: too many rejects (and 1 more)"


def test_a_station_that_is_set_aside_neither_fails_nor_is_waited_for() -> None:
    assert step_cohort([one("accepted"), one("reverted", is_aside=True)]).action == "advance"
    assert step_cohort([one("accepted"), one("released", is_aside=True)]).action == "advance"
    # The bundle has to be proven somewhere.
    assert step_cohort([one("released", is_aside=True)]).action == "pause"
    assert one("accepted", is_aside=True).outcome == "accepted"


def test_a_rollout_without_a_bundle_waits_for_kept() -> None:
    assert step_cohort([one("kept", wanted="")]).action == "advance"
    assert step_cohort([one("kept")]).action == "wait"


def test_a_silent_station_is_overdue_after_its_hours() -> None:
    stations = [one("released", "a"), one("shadow", "b", since_us=HOUR_US), one("accepted", "c")]
    assert overdue(stations, 0, 100 * HOUR_US) == ()
    assert overdue(stations, 5, 5 * HOUR_US - 1) == ()
    assert overdue(stations, 5, 5 * HOUR_US) == ("a",)
    assert overdue(stations, 5, 6 * HOUR_US) == ("a", "b")
    assert overdue([one("reverted")], 1, 9 * HOUR_US) == ()


def names(*texts: str) -> list[Candidate]:
    return [Candidate(each.rstrip("!"), not each.endswith("!")) for each in texts]


def test_stations_are_divided_into_canaries_a_share_and_the_rest() -> None:
    ten = names(*(f"s{n}" for n in range(10)))
    assert [len(each) for each in divide(ten)] == [1, 2, 7]
    assert [len(each) for each in divide(ten, canary_count=3, share=0.5)] == [3, 2, 5]
    assert divide(ten, canaries=["s7"], share=0)[0] == ("s7",)
    assert len(divide(ten, share=0)) == 2
    assert len(divide(ten, share=1)) == 2
    assert divide(names("a")) == (("a",),)
    # A station that is offline proves nothing soon.
    assert divide(names("a!", "b"))[0] == ("b",)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"canaries": ["x"]}, "canary 'x' is not one of the stations"),
        ({"share": 1.01}, "share: expected 0 to 100 %"),
        ({"canary_count": 0}, "canaries: expected 1 to 2"),
        ({"canary_count": 3}, "canaries: expected 1 to 2"),
    ],
)
def test_a_wrong_division_is_one_line(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        divide(names("a", "b"), **options)
    with pytest.raises(UsageError, match="needs at least one station"):
        divide([])
