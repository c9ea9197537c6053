"""Whether a replay gave what was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edge.bundle import GoldenLimits
from edge.records import Box, Decision, Defect, Verdict
from edge.replay.canonical import first_difference


class ReplayOutcome(str, Enum):
    """same: byte for byte. within: of the tolerance that holds between engines. unjudged: the chain
    never answered for this part, so there is nothing to compare with."""

    SAME = "same"
    WITHIN = "within"
    DIFFERS = "differs"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Within what two engines, machines or builds must agree (edge/replay/chains.py), and T."""

    limits: GoldenLimits
    threshold: float

    def __str__(self) -> str:
        limits = self.limits
        return (
            f"severity {limits.severity:.2g}, box {limits.box_px} px, area {limits.area:.0%}, "
            f"confidence {limits.confidence:g}"
        )


def compare(
    recorded: Verdict, seen: Verdict, tolerance: Tolerance | None
) -> tuple[ReplayOutcome, str | None]:
    """What became of it, and the first difference in words. tolerance: None asks for the same
    bytes. With one, the decision must be the same all the same, and a defect whose peak is nearer
    to T than the limit of severity may be there or not."""
    difference = first_difference(recorded, seen)
    if difference is None:
        return ReplayOutcome.SAME, None
    if tolerance is None:
        return ReplayOutcome.DIFFERS, difference
    beyond = _beyond(recorded, seen, tolerance)
    return (ReplayOutcome.WITHIN, difference) if beyond is None else (ReplayOutcome.DIFFERS, beyond)


def _beyond(recorded: Verdict, seen: Verdict, tolerance: Tolerance) -> str | None:
    limits = tolerance.limits
    if recorded.decision is not seen.decision:
        near = _nearest_to_threshold(recorded, seen, tolerance.threshold)
        return f"decision: {seen.decision.value}, recorded {recorded.decision.value}{near}"
    if recorded.decision is Decision.UNKNOWN:
        return None if recorded.reason == seen.reason else "reason"
    off = abs(recorded.peak_severity - seen.peak_severity)
    if not off <= limits.severity:
        return f"peak_severity: {seen.peak_severity:.2f}, recorded {recorded.peak_severity:.2f}"
    return _missing(recorded.defects, seen.defects, tolerance) or _surplus(
        recorded.defects, seen.defects, tolerance
    )


def _missing(
    recorded: tuple[Defect, ...], seen: tuple[Defect, ...], tolerance: Tolerance
) -> str | None:
    """The first recorded defect that is not found within the limits, in words."""
    limits = tolerance.limits
    for defect in _clear(recorded, tolerance):
        region, place = defect.region, _place(defect)
        near = [each for each in seen if _near(region.box, each.region.box, limits.box_px)]
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
    recorded: tuple[Defect, ...], seen: tuple[Defect, ...], tolerance: Tolerance
) -> str | None:
    """The first defect that nobody recorded, in words."""
    box_px = tolerance.limits.box_px
    for defect in _clear(seen, tolerance):
        if not any(_near(defect.region.box, each.region.box, box_px) for each in recorded):
            return f"defects: {defect.kind} at {_place(defect)} not recorded"
    return None


def _clear(defects: tuple[Defect, ...], tolerance: Tolerance) -> list[Defect]:
    """Those that are not so near to T that they may be there or not."""
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


def _nearest_to_threshold(recorded: Verdict, seen: Verdict, threshold: float) -> str:
    """Why a decision may have turned, for a person."""
    peaks = [each.region.peak_severity for each in (*recorded.defects, *seen.defects)]
    if not peaks:
        return ""
    nearest = min(peaks, key=lambda peak: abs(peak - threshold))
    return f" (nearest to T {threshold:g}: severity {nearest:.2f})"
