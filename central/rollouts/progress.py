"""The progress of a cohort, from the states of its stations. Pure functions.

A delivered message, or a downloaded file, is no progress. Only a station that reports ``accepted``,
and names the bundle of the rollout as the one that runs, is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from central.store.rollouts import Rollout, RolloutStation

FAILED = ("refused", "reverted", "expired")
"""States that pause a rollout."""

LEFT_OUT = ("pinned", "replaced", "superseded")
"""States of stations that a cohort does not wait for."""

Outcome = Literal["open", "accepted", "failed", "left out"]


@dataclass(frozen=True, slots=True)
class StationProgress:
    """A station of a released cohort. since_us: its release. wanted: the id of the bundle.

    wanted is empty where the stations are to stay with their bundle.
    """

    name: str
    state: str
    running: str
    wanted: str
    since_us: int
    is_aside: bool = False
    reason: str = ""

    @property
    def outcome(self) -> Outcome:
        """Return what the station contributes to its cohort."""
        if self.state == "kept" and not self.wanted:
            return "accepted"
        if self.state == "accepted" and self.running == self.wanted:
            return "accepted"
        if self.is_aside or self.state in LEFT_OUT:
            return "left out"
        if self.state in FAILED or self.state == "accepted":
            return "failed"
        return "open"

    @property
    def fault(self) -> str:
        """Return one line about a failure."""
        if self.state == "accepted":
            return f"{self.name}: accepted, but it runs {self.running or 'another bundle'}"
        return f"{self.name}: {self.state}" + (f": {self.reason}" if self.reason else "")


def progress_of(
    rollout: Rollout, stations: Sequence[RolloutStation]
) -> tuple[StationProgress, ...]:
    """Return the stations of the released cohorts."""
    return tuple(
        StationProgress(
            each.station,
            each.state,
            each.running,
            rollout.bundle_id,
            each.released_us or 0,
            each.is_aside,
            each.reason,
        )
        for each in stations
        if each.cohort < rollout.released
    )


@dataclass(frozen=True, slots=True)
class CohortStep:
    """The next step of a rollout. fault: the reason for a pause."""

    action: Literal["wait", "advance", "pause"]
    fault: str = ""


def step_cohort(stations: Sequence[StationProgress]) -> CohortStep:
    """Return the next step, from the stations of all released cohorts.

    The first failure pauses. The next cohort follows when every station is done or left out, and at
    least one has accepted the bundle.
    """
    failed = [each for each in stations if each.outcome == "failed"]
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        return CohortStep("pause", failed[0].fault + more)
    if any(each.outcome == "open" for each in stations):
        return CohortStep("wait")
    if not any(each.outcome == "accepted" for each in stations):
        return CohortStep("pause", "no station has accepted the bundle; all of them were left out")
    return CohortStep("advance")


def overdue(stations: Sequence[StationProgress], aside_hours: int, now_us: int) -> tuple[str, ...]:
    """Return the stations without a result that the cohort no longer waits for."""
    if not aside_hours:
        return ()
    limit_us = aside_hours * 3_600_000_000
    return tuple(
        each.name
        for each in stations
        if each.outcome == "open" and now_us - each.since_us >= limit_us
    )
