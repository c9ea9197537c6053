"""The comparison of a replayed verdict with the recorded one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edge.bundle import GoldenLimits
from edge.records import Box, Decision, Defect, Verdict
from edge.replay.canonical import first_difference


class ReplayOutcome(str, Enum):
    """The outcome of a replay.

    - same: both verdicts are equal, byte for byte.
    - within: they differ, within the tolerance that holds between engines.
    - differs: they differ by more.
    - unjudged: the record has no verdict of the chain, so there is nothing to compare with.
    """

    SAME = "same"
    WITHIN = "within"
    DIFFERS = "differs"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The limits within which two engines, machines or builds must agree, and the threshold T."""

    limits: GoldenLimits
    threshold: float

    def __str__(self) -> str:
        limits = self.limits
        return (
            f"severity {limits.severity:.2g}, box {limits.box_px} px, area {limits.area:.0%}, "
            f"confidence {limits.confidence:g}"
        )


def compare(
    recorded: Verdict, replayed: Verdict, tolerance: Tolerance | None
) -> tuple[ReplayOutcome, str | None]:
    """Return the outcome, and the first difference as text.

    tolerance: None: the verdicts must be equal byte for byte. With a tolerance the decision must
    still be the same. A defect whose peak is nearer to T than the limit of severity may be missing
    in one of the verdicts.
    """
    difference = first_difference(recorded, replayed)
    if difference is None:
        return ReplayOutcome.SAME, None
    if tolerance is None:
        return ReplayOutcome.DIFFERS, difference
    beyond = _beyond(recorded, replayed, tolerance)
    return (ReplayOutcome.WITHIN, difference) if beyond is None else (ReplayOutcome.DIFFERS, beyond)


def _beyond(recorded: Verdict, replayed: Verdict, tolerance: Tolerance) -> str | None:
    limits = tolerance.limits
    if recorded.decision is not replayed.decision:
        near = _nearest_to_threshold(recorded, replayed, tolerance.threshold)
        return f"decision: {replayed.decision.value}, recorded {recorded.decision.value}{near}"
    if recorded.decision is Decision.UNKNOWN:
        return None if recorded.reason == replayed.reason else "reason"
    off = abs(recorded.peak_severity - replayed.peak_severity)
    if not off <= limits.severity:
        return f"peak_severity: {replayed.peak_severity:.2f}, recorded {recorded.peak_severity:.2f}"
    return _missing(recorded.defects, replayed.defects, tolerance) or _surplus(
        recorded.defects, replayed.defects, tolerance
    )


def _missing(
    recorded: tuple[Defect, ...], replayed: tuple[Defect, ...], tolerance: Tolerance
) -> str | None:
    """Return the first recorded defect that was not found again within the limits, as text."""
    limits = tolerance.limits
    for defect in _clear(recorded, tolerance):
        region, place = defect.region, _place(defect)
        near = [each for each in replayed if _near(region.box, each.region.box, limits.box_px)]
        if not near:
            return f"defects: {defect.kind} at {place} not found"
        other = min(near, key=lambda each: abs(each.region.area_px - region.area_px))
        if other.kind != defect.kind:
            return f"defects: {other.kind} at {place} instead of {defect.kind}"
        if abs(other.region.area_px - region.area_px) > limits.area * region.area_px:
            return f"defects: area {other.region.area_px} px at {place}, not {region.area_px}"
        if not abs(other.confidence - defect.confidence) <= limits.confidence:
            return f"defects: confidence {other.confidence:.2f} at {place}"
        if not abs(other.region.peak_severity - region.peak_severity) <= limits.severity:
            return f"defects: severity {other.region.peak_severity:.2f} at {place}"
    return None


def _surplus(
    recorded: tuple[Defect, ...], replayed: tuple[Defect, ...], tolerance: Tolerance
) -> str | None:
    """Return the first defect that is not in the record, as text."""
    box_px = tolerance.limits.box_px
    for defect in _clear(replayed, tolerance):
        if not any(_near(defect.region.box, each.region.box, box_px) for each in recorded):
            return f"defects: {defect.kind} at {_place(defect)} not recorded"
    return None


def _clear(defects: tuple[Defect, ...], tolerance: Tolerance) -> list[Defect]:
    """Return the defects that are so far above T that both verdicts must have them."""
    limit = tolerance.threshold + tolerance.limits.severity
    return [defect for defect in defects if defect.region.peak_severity >= limit]


def _place(defect: Defect) -> list[int]:
    box = defect.region.box
    return [box.left, box.top, box.right, box.bottom]


def _near(one: Box, other: Box, box_px: int) -> bool:
    return all(
        abs(a - b) <= box_px
        for a, b in (
            (one.left, other.left),
            (one.top, other.top),
            (one.right, other.right),
            (one.bottom, other.bottom),
        )
    )


def _nearest_to_threshold(recorded: Verdict, replayed: Verdict, threshold: float) -> str:
    """Return the severity nearest to T, as a hint why the decision changed."""
    peaks = [each.region.peak_severity for each in (*recorded.defects, *replayed.defects)]
    if not peaks:
        return ""
    nearest = min(peaks, key=lambda peak: abs(peak - threshold))
    return f" (nearest to T {threshold:g}: severity {nearest:.2f})"
