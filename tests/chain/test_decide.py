"""Step decide: every option of a rule is varied, and the reason is compared."""

from __future__ import annotations

from typing import Any

import pytest

from edge.bundle import ChainManifest, KindManifest, RuleManifest
from edge.chain.decide import decide
from edge.records import Decision, Defect
from tests.chain.fake_engines import region

CHAIN = ChainManifest(threshold=4.0)


def defect(kind: str = "hole", *, peak: float = 6.0, area: int = 50) -> Defect:
    return Defect(region(0, 0, 10, 10, peak=peak, area=area), kind, 0.9)


def kinds(**rule: Any) -> tuple[KindManifest, ...]:
    return (KindManifest(name="hole", rule=RuleManifest(**rule)), KindManifest(name="crack"))


def test_no_region_is_clean() -> None:
    assert decide((), 0, kinds(), CHAIN) == (Decision.PASS, "clean")


def test_regions_that_are_all_background_pass_with_this_reason() -> None:
    assert decide((), 3, kinds(), CHAIN) == (Decision.PASS, "3 classified as background")


def test_the_first_defect_of_a_kind_rejects_by_default() -> None:
    assert decide((defect(),), 1, kinds(), CHAIN) == (
        Decision.REJECT,
        "hole: 1 of severity up to 6.0, the worst 50 px",
    )


def test_a_kind_without_a_rule_rejects() -> None:
    decision, reason = decide((defect("defect"),), 1, kinds(reject=False), CHAIN)
    assert decision is Decision.REJECT
    assert reason.startswith("defect: 1 ")
    assert decide((defect("defect"),), 1, (), CHAIN)[0] is Decision.REJECT


@pytest.mark.parametrize(
    ("rule", "passes", "rejects"),
    [
        ({"reject": False}, [defect(peak=12.0, area=9999)], None),
        ({"min_peak_severity": 6.0}, [defect(peak=5.99)], [defect(peak=6.0)]),
        ({"min_area_px": 50}, [defect(area=49)], [defect(area=50)]),
        ({"min_count": 3}, [defect()] * 2, [defect()] * 3),
        # Each counted defect must meet both: one large and one severe are none.
        (
            {"min_peak_severity": 6.0, "min_area_px": 50},
            [defect(peak=9, area=10), defect(peak=5, area=90)],
            [defect(peak=6, area=50)],
        ),
        (
            {"min_peak_severity": 6.0, "min_count": 2},
            [defect(peak=9), defect(peak=5), defect(peak=5)],
            [defect(peak=9), defect(peak=6)],
        ),
    ],
)
def test_each_option_of_a_rule(
    rule: dict[str, Any], passes: list[Defect], rejects: list[Defect] | None
) -> None:
    count = len(passes)
    assert decide(tuple(passes), count, kinds(**rule), CHAIN) == (
        Decision.PASS,
        f"{count} within the rules",
    )
    if rejects is not None:
        assert decide(tuple(rejects), len(rejects), kinds(**rule), CHAIN)[0] is Decision.REJECT


def test_kinds_do_not_add_up() -> None:
    rules = tuple(
        KindManifest(name=name, rule=RuleManifest(min_count=2)) for name in ("hole", "crack")
    )
    assert decide((defect("hole"), defect("crack")), 2, rules, CHAIN)[0] is Decision.PASS
    decision, reason = decide(
        (defect("hole"), defect("crack"), defect("crack", peak=5)), 3, rules, CHAIN
    )
    assert decision is Decision.REJECT
    assert reason == "crack: 2 of severity up to 6.0, the worst 50 px"


def test_a_kind_that_passes_does_not_hide_one_that_rejects() -> None:
    some = (defect("hole", peak=12), defect("crack", peak=5, area=7))
    assert decide(some, 2, kinds(reject=False), CHAIN) == (
        Decision.REJECT,
        "crack: 1 of severity up to 5.0, the worst 7 px",
    )


def test_the_reason_is_of_the_most_severe_kind_that_rejects() -> None:
    some = (defect("crack", peak=9), defect("hole", peak=8))
    assert decide(some, 2, kinds(), CHAIN)[1].startswith("crack: 1 of severity up to 9.0")
