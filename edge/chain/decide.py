"""Step 5: defects and part score to PASS or REJECT, with the rule that decided, and the score of
the frame."""

from __future__ import annotations

import math

from edge.bundle import ChainManifest, KindManifest, RuleManifest
from edge.chain.filter import TOLERANCE
from edge.errors import FrameError
from edge.records import Decision, Defect, Dropped, Region

_ANY = RuleManifest()
TOP = 12.0  # the top of severity and of scores
LIMIT = TOP / 2  # the score at which a part is rejected, where both scores can reject


def decide(
    defects: tuple[Defect, ...],
    regions: int,
    kinds: tuple[KindManifest, ...],
    chain: ChainManifest,
) -> tuple[Decision, str]:
    """Return the decision and its reason, one line.

    defects: most severe first. regions: number of regions before the classifier. Defects below
    chain.reject_severity never reject. The rule of a kind rejects from min_count defects that reach
    its least peak severity and area. A kind without a rule rejects on its first defect.
    """
    if not defects:
        return Decision.PASS, f"{regions} classified as background" if regions else "clean"
    severe = tuple(defect for defect in defects if _is_severe(defect, chain))
    if not severe:
        return Decision.PASS, f"{len(defects)} below severity {rejects_from(chain):.1f}"
    rules = {kind.name: kind.rule for kind in kinds}
    for kind in dict.fromkeys(defect.kind for defect in severe):
        rule = rules.get(kind, _ANY)
        counted = [defect for defect in severe if defect.kind == kind and _counts(defect, rule)]
        if rule.reject and len(counted) >= rule.min_count:
            worst = counted[0].region
            return Decision.REJECT, (
                f"{kind}: {len(counted)} of severity up to {worst.peak_severity:.1f}, "
                f"the worst {worst.area_px} px"
            )
    return Decision.PASS, f"{len(defects)} within the rules"


def rejects_from(chain: ChainManifest) -> float:
    """Return the severity from which a defect may reject a part: the reject severity, else T."""
    return chain.threshold if chain.reject_severity is None else chain.reject_severity


def is_crowded(regions: tuple[Region, ...], chain: ChainManifest) -> bool:
    """Return true where one of the regions beyond chain.max_regions may reject the part.

    regions: the most severe first. Only the first max_regions are classified.
    """
    if len(regions) <= chain.max_regions:
        return False
    return regions[chain.max_regions].peak_severity >= rejects_from(chain) - TOLERANCE


def decide_part(part_score: float | None, part_threshold: float | None) -> str | None:
    """Return the reason to reject a part by its score, one line, or None.

    part_score: of the decision head. part_threshold: of the bundle. Either may be None: then there
    is nothing to decide. Raises FrameError for a score that is not a number.
    """
    if part_score is None:
        return None
    if not math.isfinite(part_score):
        raise FrameError(f"the part's score is not a number ({part_score})")
    if part_threshold is None or part_score < part_threshold - TOLERANCE:
        return None
    return f"part: score {part_score:.1f}, rejected from {part_threshold:.1f}"


def score(named: tuple[Defect | Dropped, ...], peak_severity: float, threshold: float) -> float:
    """Return the score by which frames are ranked, 0 to 12.

    With defects: the largest threshold + (peak severity − threshold) · (1 − doubt) of a defect.
    With dropped regions only: the largest threshold · (1 − doubt) of them. Without regions: the
    peak severity of the frame, at most the threshold. So a frame with a defect never ranks below a
    frame without one.
    """
    defects = [each for each in named if isinstance(each, Defect)]
    if defects:
        return max(severity_of(each.region, each.doubt, threshold) for each in defects)
    if named:
        return threshold * max(1.0 - each.doubt for each in named)
    return min(peak_severity, threshold)


def severity_of(region: Region, doubt: float, threshold: float) -> float:
    """Return threshold + (peak severity − threshold) · (1 − doubt), 0 to 12. threshold: T."""
    return threshold + max(region.peak_severity - threshold, 0.0) * (1.0 - doubt)


def joint_score(by_regions: float, part_score: float | None, chain: ChainManifest) -> float:
    """Return the score by which frames are ranked, 0 to 12, with that of the whole part.

    by_regions: of ``score``. With a part threshold both scores can reject. Each is brought to a
    scale on which its limit is LIMIT, and the larger one counts. A part score without a threshold
    ranks alone.
    """
    if part_score is None:
        return by_regions
    if chain.part_threshold is None:
        return part_score
    return max(
        _to_limit(by_regions, rejects_from(chain)), _to_limit(part_score, chain.part_threshold)
    )


def _to_limit(value: float, limit: float) -> float:
    """Return a value of 0 to 12 on the scale on which ``limit`` is LIMIT."""
    if value <= limit:
        return LIMIT * value / limit
    return LIMIT + (TOP - LIMIT) * (value - limit) / (TOP - limit)


def _is_severe(defect: Defect, chain: ChainManifest) -> bool:
    severity = severity_of(defect.region, defect.doubt, chain.threshold)
    return severity >= rejects_from(chain) - TOLERANCE


def _counts(defect: Defect, rule: RuleManifest) -> bool:
    return (
        defect.region.peak_severity >= rule.min_peak_severity
        and defect.region.area_px >= rule.min_area_px
    )
