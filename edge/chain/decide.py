"""Step 5: Defects → PASS or REJECT, and the rule that said so."""

from __future__ import annotations

from edge.bundle import KindManifest, RuleManifest
from edge.records import Decision, Defect, Dropped

_ANY = RuleManifest()


def decide(
    defects: tuple[Defect, ...], regions: int, kinds: tuple[KindManifest, ...]
) -> tuple[Decision, str]:
    """The decision and its reason, one line. defects: most severe first; regions: how many there
    were before the classifier. A kind without a rule rejects on its first defect.
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
    """How much a frame looks like a defective one, 0 to 12: what frames are ranked by.

    Of the regions that are reported, the largest threshold + (peak - threshold) (1 - doubt); where
    none is, the largest threshold (1 - doubt) of those that were dropped; without any region the
    frame's peak severity. So a frame with a defect never ranks below one without.
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
