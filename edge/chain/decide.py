"""Step 5: Defects → PASS or REJECT, and the rule that said so."""

from __future__ import annotations

from edge.bundle import KindManifest, RuleManifest
from edge.records import Decision, Defect

_ANY = RuleManifest()


def decide(
    defects: tuple[Defect, ...], regions: int, kinds: tuple[KindManifest, ...]
) -> tuple[Decision, str]:
    """The decision and its reason, one line. defects: most severe first; regions: how many there
    were before the classifier. A kind without a rule rejects on its first defect.
    """
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
    if defects:
        return Decision.PASS, f"{len(defects)} within the rules"
    if regions:
        return Decision.PASS, f"{regions} classified as background"
    return Decision.PASS, "clean"


def _counts(defect: Defect, rule: RuleManifest) -> bool:
    return (
        defect.region.peak_severity >= rule.min_peak_severity
        and defect.region.area_px >= rule.min_area_px
    )
