"""The station where an encoder tracks the parts: what the rejector finds on the belt."""

from edge.line.outcome import Action, Cause
from edge.line.part import LineTiming
from edge.rejector.messages import Actuated
from tests.support.station import MS, P, StationHarness

BY_COUNTS = LineTiming(travel_ns=None, budget_ns=300 * MS)


def test_by_counts_the_rejector_gets_what_was_seen_and_may_answer_that_it_is_no_part():
    harness = StationHarness(4, timing=BY_COUNTS)
    harness.rejector.refused = (2,)
    harness.trigger.gate = lambda n: len(harness.verdicts) >= n - 1 - (n > 2)
    summary = harness.run()
    assert harness.rejector.orders == [
        ("sighted", 1),
        ("resolve", 1, False),
        ("sighted", 2),
        ("sighted", 3),
        ("resolve", 3, False),
        ("sighted", 4),
        ("resolve", 4, False),
        ("close",),
    ]
    assert harness.journal.decisions() == [(n, P, "scripted") for n in (1, 3, 4)]
    told = [event for event in harness.journal.events if event.type == "outfeed.actuation/1"]
    assert [(e.part_id, e.width_us, e.action, e.cause) for e in told] == [
        (2, 0, "no_part", "backward")
    ]
    assert (summary.parts, summary.causes, summary.ejected) == (3, {"backward": 1}, 0)


def test_a_part_refused_while_its_picture_is_taken_has_no_verdict():
    harness = StationHarness(2, timing=BY_COUNTS)
    harness.camera.script[1] = lambda frame: (
        harness.rejector.report(Actuated(1, 0, 0, 0, Action.NO_PART, Cause.SEEN_AGAIN)),
        frame,
    )[1]
    harness.trigger.gate = lambda n: n == 1 or bool(harness.journal.events)
    harness.run()
    assert harness.journal.decisions() == [(2, P, "scripted")]
    assert harness.inspector.seen == [2]


def test_what_was_found_on_the_belt_is_journalled_and_counted():
    harness = StationHarness(1)
    harness.camera.script[1] = lambda frame: (
        [
            harness.rejector.report(Actuated(number, 1_000, 1_000, 0, action, cause))
            for number, action, cause in (
                (0, Action.EJECTED, Cause.UNANNOUNCED),
                (0, Action.PASSED, Cause.UNANNOUNCED),
                (7, Action.PASSED, Cause.ABSENT),
                (8, Action.EJECTED, Cause.POSITION_LOST),
                (9, Action.PASSED, Cause.POSITION_LOST),
                (10, Action.EJECTED, Cause.TOO_CLOSE),
                (11, Action.PASSED, Cause.VERDICT),
            )
        ]
        and frame
    )
    summary = harness.run()
    told = [event for event in harness.journal.events if event.type == "outfeed.actuation/1"]
    assert [(event.part_id, event.action.value, event.cause.value) for event in told] == [
        (None, "ejected", "unannounced"),
        (None, "passed", "unannounced"),
        (7, "passed", "absent"),
        (8, "ejected", "position_lost"),
        (9, "passed", "position_lost"),
        (10, "ejected", "too_close"),
    ]
    assert summary.causes == {
        "unannounced": 2,
        "absent": 1,
        "position_lost": 2,
        "too_close": 1,
    }
    assert (summary.ejected, summary.timing.count) == (3, 2)  # the time of a lost part is not known
