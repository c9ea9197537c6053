"""The comparison of a new bundle with the running one on the same parts, and its result."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from edge.line.latency import Histogram
from edge.records import Decision
from edge.update_notes import TrialFigures
from edge.updates.bounds import lower_bound, upper_bound
from edge.updates.desired import ShadowLimits

_CONFIDENCE = 0.95
# A failure before the end needs more certainty, because it is examined after every part.
_EARLY = 0.9999
_KIND_REJECTS = 3  # so many rejects of a kind, all of them lost, are a lost kind
_EVERY = 20  # parts between two comparisons of the shares
_TIMED = 1000  # parts from which the 99.9th percentile is compared before the end


@dataclass(frozen=True, slots=True)
class ShadowedPart:
    """A part that both bundles have inspected.

    running: the decision of the running bundle, and the kind of its most severe defect. new: None
    where the new bundle has failed on the frame. spent_ms: processor time of the new bundle.
    """

    running: Decision
    kind: str
    new: Decision | None
    spent_ms: float


class ShadowCount:
    """Counts the parts of a shadow. For one thread.

    After a restart of the station it goes on with the figures of the state; the kinds and the
    percentile begin anew, so they are examined over the rest.
    """

    def __init__(self, figures: TrialFigures, limits: ShadowLimits, budget_ms: float) -> None:
        """limits: those of the desired state, raised to those of the station."""
        self.figures = figures
        self._limits = limits
        self._budget_ms = budget_ms
        self._spent = Histogram()
        self._compared = 0
        self._rejects: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()

    def add(self, part: ShadowedPart) -> None:
        """Count a part."""
        before = self.figures
        is_reject = part.running is Decision.REJECT
        is_new = part.new is Decision.REJECT
        lost = is_reject and part.new is Decision.PASS
        if is_reject:
            self._rejects[part.kind] += 1
            self._lost[part.kind] += lost
        self._spent.add(part.spent_ms * 1e3)
        self.figures = replace(
            before,
            parts=before.parts + 1,
            rejects=before.rejects + is_reject,
            new_rejects=before.new_rejects + (is_new and not is_reject),
            lost_rejects=before.lost_rejects + lost,
            bundle_rejects=before.bundle_rejects + is_new,
            unknown=before.unknown + (part.new is None),
        )

    def add_marked(self, *, is_found: bool) -> None:
        """Count a part that a person marked as bad."""
        before = self.figures
        self.figures = replace(
            before, marked=before.marked + 1, marked_missed=before.marked_missed + (not is_found)
        )

    @property
    def is_complete(self) -> bool:
        """Return True when enough parts and rejects were counted."""
        figures = self.figures
        return figures.parts >= self._limits.parts and figures.rejects >= self._limits.rejects

    def closed(self) -> TrialFigures:
        """Return the figures with the bound and the percentile."""
        figures = self.figures
        upper = upper_bound(figures.new_rejects, figures.parts, _CONFIDENCE)
        return replace(figures, new_rejects_upper=upper, p999_ms=self._p999_ms() or figures.p999_ms)

    def early_fault(self) -> str | None:
        """Return the reason why the bundle fails already; None: it may still pass."""
        figures, limits = self.figures, self._limits
        if figures.marked_missed:
            return _missed(figures)
        if (kind := self._lost_kind()) is not None:
            return kind
        if figures.parts - self._compared < _EVERY:
            return None
        self._compared = figures.parts
        for count, total, limit, what in (
            (figures.new_rejects, figures.parts, limits.new_rejects, "only it rejects"),
            (figures.lost_rejects, figures.rejects, limits.lost_rejects, "only it passes"),
            (figures.unknown, figures.parts, limits.new_rejects, "it fails on"),
        ):
            if lower_bound(count, total, _EARLY) > limit:
                return f"{what} {count} of {total} parts, and the limit is {100 * limit:g} %"
        return self._slow() if self._spent.percentiles().count >= _TIMED else None

    def fault(self) -> str | None:
        """Return the reason why the complete shadow failed; None: the bundle has passed it."""
        early = self.early_fault()
        if early is not None:
            return early
        figures, limits = self.closed(), self._limits
        if figures.new_rejects_upper > limits.new_rejects:
            return (
                f"only it rejects {figures.new_rejects} of {figures.parts} parts: with 95 % "
                f"confidence up to {100 * figures.new_rejects_upper:.3g} %, and the limit is "
                f"{100 * limits.new_rejects:g} %"
            )
        if figures.lost_rejects > limits.lost_rejects * figures.rejects:
            return (
                f"it passes {figures.lost_rejects} of {figures.rejects} rejects of the running "
                f"bundle, and the limit is {100 * limits.lost_rejects:g} %"
            )
        if figures.unknown > limits.new_rejects * figures.parts:
            return f"it fails on {figures.unknown} of {figures.parts} parts"
        return self._slow()

    def _lost_kind(self) -> str | None:
        for kind, rejects in self._rejects.items():
            if kind and rejects >= _KIND_REJECTS and self._lost[kind] == rejects:
                return f"it passes every part with '{kind}', {rejects} of {rejects}"
        return None

    def _slow(self) -> str | None:
        p999_ms = self._p999_ms()
        if p999_ms is None or p999_ms <= self._budget_ms:
            return None
        return (
            f"the 99.9th percentile of its inspections is {p999_ms:.3g} ms of processor time, and "
            f"line.budget_ms is {self._budget_ms:g}"
        )

    def _p999_ms(self) -> float | None:
        spent = self._spent.percentiles()
        return spent.p999_us / 1e3 if spent.count else None


def _missed(figures: TrialFigures) -> str:
    return (
        f"it passes {figures.marked_missed} of {figures.marked} parts that people marked as "
        "true-reject or escape"
    )


def raised(limits: ShadowLimits, parts: int, rejects: int) -> ShadowLimits:
    """Return the limits, with at least so many parts and rejects."""
    changes = {"parts": max(limits.parts, parts), "rejects": max(limits.rejects, rejects)}
    return limits.model_copy(update=changes)
