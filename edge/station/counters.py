"""The counters of a station."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from logging import getLogger

from edge.line.freshness import Freshness
from edge.line.latency import Histogram, StageStats
from edge.line.outcome import Action, Cause
from edge.records import Decision, Verdict
from edge.rejector.messages import Actuated, Counted
from edge.station.journal_thread import JournalWriter
from edge.station.summary import Summary

_log = getLogger(__name__)


class StationCounters:
    """Counts verdicts and reports of the rejector, and records durations.

    Synchronization: each method has one caller at a time. A reader on another thread may get counts
    of slightly different moments.
    """

    def __init__(self) -> None:
        self.stats = StageStats()
        self.edges_lost = 0
        """Edges of the photo-eye that were not read in time."""
        self._decided = dict.fromkeys(Decision, 0)
        self._late = self._overload = self._ejected = self._missed = 0
        self._punctuality = Histogram()
        self._causes: Counter[str] = Counter()  # of reports, without VERDICT and UNKNOWN

    def count_verdict(self, verdict: Verdict, elapsed_us: float) -> None:
        """Count the final verdict on a part. elapsed_us: the time since its trigger."""
        self._decided[verdict.decision] += 1
        self._late += verdict.reason.startswith("late: ")
        self._overload += verdict.reason == "overload"
        self.stats.add("verdict", elapsed_us)

    @property
    def usual_ns(self) -> int:
        """Return the 99.9th percentile of the time from trigger to verdict; 0 before the first."""
        verdicts = self.stats.percentiles().get("verdict")
        return 0 if verdicts is None else round(verdicts.p999_us * 1e3)

    def record_inspection(self, verdict: Verdict) -> None:
        """Record the durations of the chain's steps, whether or not the verdict was in time."""
        if (steps := verdict.timings) is not None:
            self.stats.add("detect", steps.detect_us)
            self.stats.add("filter", steps.filter_us)
            self.stats.add("components", steps.components_us)
            self.stats.add("classify", steps.classify_us)
            self.stats.add("decide", steps.decide_us)

    def count_actuation(self, report: Actuated) -> None:
        """Count a report of the rejector on a part."""
        if report.cause not in (Cause.VERDICT, Cause.UNKNOWN):
            self._causes[report.cause.name.lower()] += 1
        if report.action is Action.EJECTED:
            self._ejected += 1
            if report.cause not in (Cause.POSITION_LOST, Cause.OVERRUN):
                self._punctuality.add((report.at_ns - report.due_ns) / 1e3)
        elif report.action is Action.MISSED:
            self._missed += 1
            _log.error("part_missed part=%s cause=%s", report.part_id, report.cause.name.lower())

    def status(self, bundle_id: str, journal: JournalWriter, fault: str = "") -> str:
        """Return the status line for a person. fault: a fault that the monitor reports."""
        return (
            f"{bundle_id}: {sum(self._decided.values())} parts, "
            f"{self._decided[Decision.REJECT]} reject, {self._decided[Decision.UNKNOWN]} unknown, "
            f"{self._ejected} ejected, {self._missed} missed, {journal.lost} events lost"
            + "".join(f"; {each}" for each in (journal.fault, fault) if each)
        )

    def summary(
        self,
        *,
        duration_s: float,
        bounces: int,
        rejector_restarts: int,
        events_lost: int,
        freshness: Freshness,
        counted: Counted | None,
        pictures: Mapping[str, int],
        monitor: Mapping[str, int],
    ) -> Summary:
        """Return the summary of a run. To be called after everything has stopped."""
        if counted is not None and counted.queue.overrun:
            _log.warning("pulse_too_long good_parts_reached=%s", counted.queue.overrun)
        return Summary(
            parts=sum(self._decided.values()),
            passed=self._decided[Decision.PASS],
            rejected=self._decided[Decision.REJECT],
            unknown=self._decided[Decision.UNKNOWN],
            late=self._late,
            overload=self._overload,
            bounces=bounces,
            ejected=self._ejected,
            missed=self._missed,
            rejector_restarts=rejector_restarts,
            events_lost=events_lost,
            duration_s=duration_s,
            stages=self.stats.percentiles(),
            timing=self._punctuality.percentiles(),
            rejector=None if counted is None else counted.queue,
            refused={refusal.value: n for refusal, n in freshness.counts.items()},
            edges_lost=self.edges_lost,
            causes=dict(self._causes),
            pictures=pictures,
            monitor=monitor,
        )
