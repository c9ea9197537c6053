"""Step 5: defects to PASS or REJECT, with the rule that decided, and the score of the frame."""

from __future__ import annotations

from edge.bundle import KindManifest, RuleManifest
from edge.records import Decision, Defect, Dropped

_ANY = RuleManifest()


def decide(
    defects: tuple[Defect, ...], regions: int, kinds: tuple[KindManifest, ...]
) -> tuple[Decision, str]:
    """Return the decision and its reason, one line.

    defects: most severe first. regions: number of regions before the classifier. The rule of a kind
    rejects from min_count defects that reach its least peak severity and area. A kind without a
    rule rejects on its first defect.
    """
    if not defects:
        return Decision.PASS, f"{regions} classified as background" if regions else "clean"
    rules = {kind.name: kind.rule for kind in kinds}
    for kind in dict.fromkeys(defect.kind for defect in defects):
        rule = rules.get(kind, _ANY)
        counted = [defect for defect in defects if defect.kind == kind and _counts(defect, rule)]
        if rule.reject and len(counted) >= rule.min_count:
            worst = counted[0].region
            return Decision.REJECT, (
                f"{kind}: {len(counted)} of severity up to {worst.peak_severity:.1f}, "
                f"the worst {worst.area_px} px"
            )
    return Decision.PASS, f"{len(defects)} within the rules"


def score(named: tuple[Defect | Dropped, ...], peak_severity: float, threshold: float) -> float:
    """Return the score by which frames are ranked, 0 to 12.

    With defects: the largest threshold + (peak severity − threshold) · (1 − doubt) of a defect.
    With dropped regions only: the largest threshold · (1 − doubt) of them. Without regions: the
    peak severity of the frame, at most the threshold. So a frame with a defect never ranks below a
    frame without one.
    """
    defects = [each for each in named if isinstance(each, Defect)]
    if defects:
        above = (max(d.region.peak_severity - threshold, 0.0) * (1.0 - d.doubt) for d in defects)
        return threshold + max(above)
    if named:
        return threshold * max(1.0 - each.doubt for each in named)
    return min(peak_severity, threshold)


def _counts(defect: Defect, rule: RuleManifest) -> bool:
    return (
        defect.region.peak_severity >= rule.min_peak_severity
        and defect.region.area_px >= rule.min_area_px
    )
