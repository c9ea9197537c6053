"""learn.html: parts with a worse decision than before are at the top."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

from export.feedback.page import render, worse
from export.feedback.record import ChangedRecord, FeedbackSideRecord, LearnRecord, SettingsRecord
from tests.models.report.pages import text_of


def side(
    bad: int, good: int, escapes: tuple[int, int], rejects: tuple[int, int]
) -> FeedbackSideRecord:
    return FeedbackSideRecord(
        bad=bad,
        good=good,
        escapes_before=escapes[0],
        escapes_after=escapes[1],
        false_rejects_before=rejects[0],
        false_rejects_after=rejects[1],
    )


def changed(count: int, side: str, *, bad: bool, now: str) -> tuple[ChangedRecord, ...]:
    before = "PASS" if now == "REJECT" else "REJECT"
    return tuple(
        ChangedRecord(name=f"{side}/{now}/{bad}/{n}", side=side, bad=bad, before=before, after=now)
        for n in range(count)
    )


def record(*changes: ChangedRecord) -> LearnRecord:
    settings = SettingsRecord(threshold=4.0, keep_severity=None)
    return LearnRecord(
        old_run="runs/tiles",
        old_bundle="tiles-1-aaaaaaaaaaaa",
        bundle="tiles-2-bbbbbbbbbbbb",
        route="threshold",
        before=settings,
        after=settings,
        classifier_changed=False,
        detector_changed=False,
        new_escapes_allowed=0,
        more_false_rejects_allowed=0.1,
        synthetic_escapes_allowed=0.05,
        golden_frames=6,
        sides={
            "validation": side(10, 50, (1, 1), (0, 4)),
            "learned": side(1, 6, (1, 0), (6, 1)),
            "held back": side(0, 2, (0, 0), (2, 0)),
        },
        changed=changes,
        tried=(),
        learned=("a",),
        held_back=("b",),
        left_out=None,
        proven="on marked parts it is better",
    )


def test_newly_rejected_good_parts_are_at_the_top() -> None:
    """0 of 50 before and 4 of 50 now; one bad part is newly passed and one newly rejected."""
    found = record(
        *changed(4, "validation", bad=False, now="REJECT"),
        *changed(1, "validation", bad=True, now="PASS"),
        *changed(1, "validation", bad=True, now="REJECT"),
        *changed(5, "learned", bad=False, now="PASS"),
    )
    escapes, rejects = worse(found)
    assert escapes == (
        "1 defective parts of the side “validation” are now passed and were not before: 1 of 10 "
        "before, 1 of 10 now."
    )
    assert "4 good parts of the side “validation” are now rejected and were not before" in rejects
    assert "0 of 50 before, 4 of 50 now" in rejects
    text = text_of(render(found, ()))
    for line in (escapes, rejects):
        assert text.index(line) < text.index("Before and after Both")
    assert "No part has a worse decision" not in text
    assert "held back: escapes unknown unknown" in text, "no bad part is held back"


def test_the_page_states_that_no_part_is_worse() -> None:
    found = record(*changed(5, "learned", bad=False, now="PASS"))
    assert worse(found) == ()
    assert "No part has a worse decision than before." in text_of(render(found, ()))
