"""The station where an encoder tracks the parts: what the rejector finds on the belt."""

from edge.line.outcome import Action, Cause
from edge.line.part import LineTiming
from edge.rejector.messages import Actuated
from tests.support.station import MS, P, StationHarness

BY_COUNTS = LineTiming(travel_ns=None, budget_ns=300 * MS)


def test_by_counts_the_rejector_is_told_what_was_seen_and_may_say_that_it_is_no_part():
    house = StationHarness(4, timing=BY_COUNTS)
    house.rejector.refused = (2,)
    house.trigger.gate = lambda n: len(house.verdicts) >= n - 1 - (n > 2)
    summary = house.run()
    assert house.rejector.orders == [
        ("sighted", 1),
        ("resolve", 1, False),
        ("sighted", 2),
        ("sighted", 3),
        ("resolve", 3, False),
        ("sighted", 4),
        ("resolve", 4, False),
        ("close",),
    ]
    assert house.journal.decisions() == [(n, P, "scripted") for n in (1, 3, 4)]
    told = [event for event in house.journal.events if event.type == "outfeed.actuation/1"]
    assert [(e.part_id, e.width_us, e.cause) for e in told] == [(2, 0, "backward, no part")]
    assert (summary.parts, summary.causes, summary.kicked) == (3, {"backward": 1}, 0)


def test_a_part_refused_while_its_picture_is_taken_has_no_verdict():
    house = StationHarness(2, timing=BY_COUNTS)
    house.camera.script[1] = lambda frame: (
        house.rejector.report(Actuated(1, 0, 0, 0, Action.NO_PART, Cause.SEEN_AGAIN)),
        frame,
    )[1]
    house.trigger.gate = lambda n: n == 1 or bool(house.journal.events)
    house.run()
    assert house.journal.decisions() == [(2, P, "scripted")]
    assert house.inspector.seen == [2]


def test_what_was_found_on_the_belt_is_journalled_and_counted():
    house = StationHarness(1)
    house.camera.script[1] = lambda frame: (
        [
            house.rejector.report(Actuated(number, 1_000, 1_000, 0, action, cause))
            for number, action, cause in (
                (0, Action.KICKED, Cause.STRANGER),
                (0, Action.LET_BY, Cause.STRANGER),
                (7, Action.LET_BY, Cause.ABSENT),
                (8, Action.KICKED, Cause.LOST),
                (9, Action.LET_BY, Cause.LOST),
                (10, Action.KICKED, Cause.CROWDED),
                (11, Action.LET_BY, Cause.VERDICT),
            )
        ]
        and frame
    )
    summary = house.run()
    told = [event for event in house.journal.events if event.type == "outfeed.actuation/1"]
    assert [(event.part_id, event.cause) for event in told] == [
        (None, "stranger"),
        (None, "stranger, let by"),
        (7, "absent, let by"),
        (8, "lost"),
        (9, "lost, let by"),
        (10, "crowded"),
    ]
    assert summary.causes == {"stranger": 2, "absent": 1, "lost": 2, "crowded": 1}
    assert (summary.kicked, summary.timing.count) == (3, 2)  # nobody knows when a lost part was
