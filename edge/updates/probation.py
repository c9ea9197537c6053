"""The rules by which a bundle on probation is reverted."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from edge.line.latency import Histogram
from edge.records import Decision
from edge.update_notes import TrialFigures
from edge.updates.bounds import lower_bound, upper_bound
from edge.updates.desired import ProbationLimits

_WINDOW = 1000  # parts over which UNKNOWN is counted
_CONFIDENCE = 0.9995  # for each side of both shares, as they are compared again and again
_EVERY = 20  # parts between two comparisons of the share of rejects
_TIMED = 1000  # parts from which the percentile is compared


class ProbationWatch:
    """Counts the parts that a new bundle decides, and finds a reason to revert it.

    ``record`` takes microseconds. For one thread.
    """

    def __init__(
        self,
        limits: ProbationLimits,
        shadow: TrialFigures,
        budget_ms: float,
        figures: TrialFigures | None = None,
    ) -> None:
        """shadow: the figures that predict the share of rejects. figures: those of the probation
        before a restart of the station."""
        self.figures = figures or TrialFigures()
        self._limits = limits
        self._shadow = shadow
        self._budget_ms = budget_ms
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._recent_unknown = 0
        self._times = Histogram()
        self._compared = 0

    @property
    def unknown_limit(self) -> float:
        """Return the share of UNKNOWN parts beyond which the bundle is reverted."""
        return self._limits.unknown

    @property
    def is_complete(self) -> bool:
        """Return True when enough parts were decided."""
        return self.figures.parts >= self._limits.parts

    def record_time(self, inspect_ms: float) -> None:
        """Count the time of an inspection."""
        self._times.add(inspect_ms * 1e3)

    def record(self, decision: Decision) -> None:
        """Count a part. UNKNOWN: the bundle was late, or failed on the frame."""
        unknown = decision is Decision.UNKNOWN
        if len(self._recent) == _WINDOW:
            self._recent_unknown -= self._recent[0]
        self._recent.append(unknown)
        self._recent_unknown += unknown
        before = self.figures
        self.figures = replace(
            before,
            parts=before.parts + 1,
            bundle_rejects=before.bundle_rejects + (decision is Decision.REJECT),
            unknown=before.unknown + unknown,
        )

    def closed(self) -> TrialFigures:
        """Return the figures with the percentile."""
        times = self._times.percentiles()
        p999_ms = times.p999_us / 1e3 if times.count else self.figures.p999_ms
        return replace(self.figures, p999_ms=p999_ms)

    def fault(self) -> str | None:
        """Return the reason to revert the bundle; None: it may go on."""
        recent = len(self._recent)
        if self._recent_unknown > self._limits.unknown * recent:
            return (
                f"{self._recent_unknown} of the last {recent} parts are UNKNOWN, and the limit is "
                f"{100 * self._limits.unknown:g} %"
            )
        if self.figures.parts - self._compared < _EVERY:
            return None
        self._compared = self.figures.parts
        times = self._times.percentiles()
        if times.count >= _TIMED and times.p999_us / 1e3 > self._budget_ms:
            return (
                f"the 99.9th percentile of its inspections is {times.p999_us / 1e3:.3g} ms, and "
                f"line.budget_ms is {self._budget_ms:g}"
            )
        return self._unpredicted()

    def _unpredicted(self) -> str | None:
        now, then, margin = self.figures, self._shadow, self._limits.reject_margin
        if not then.parts:
            return None
        count, total = now.bundle_rejects, now.parts
        predicted = 100 * then.bundle_rejects / then.parts
        text = f"it rejects {count} of {total} parts, and the shadow predicted {predicted:.3g} %"
        most = upper_bound(then.bundle_rejects, then.parts, _CONFIDENCE) + margin
        least = lower_bound(then.bundle_rejects, then.parts, _CONFIDENCE) - margin
        if lower_bound(count, total, _CONFIDENCE) > most:
            return text
        return text if upper_bound(count, total, _CONFIDENCE) < least else None
