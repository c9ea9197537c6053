"""Refused frames, with the reasons and the counts."""

import numpy as np
import pytest

from edge.line.freshness import Freshness, FreshnessRules, Refusal
from edge.line.part import Part
from edge.records import Frame

MS = 1_000_000


def part(number: int) -> Part:
    """One every 100 ms: part n at n * 100 ms."""
    at_ns = number * 100 * MS
    return Part(number, at_ns, at_ns + 50 * MS, at_ns + 90 * MS)


def frame(number: int, at_ms: float, level: int | None = None, **given) -> Frame:
    level = number if level is None else level
    values = {"part_id": number, "sequence": number, **given}
    pixels = np.full((3, 4), level, np.uint8)
    return Frame(**values, triggered_ns=0, exposed_ns=round(at_ms * MS), pixels=pixels)


def judged(rules: FreshnessRules, *frames: Frame, following: bool = True) -> list[str | None]:
    """Return the faults of the frames of parts 1, 2, 3 ..., each followed by the next part."""
    freshness = Freshness(rules)
    said = []
    for number, one in enumerate(frames, 1):
        next_ns = part(number + 1).triggered_ns if following else None
        said.append(freshness.fault(one, part(number), next_ns))
    return said


LIVE = FreshnessRules(live=True)


def test_a_frame_of_its_part_is_not_refused_and_nothing_is_counted():
    freshness = Freshness(LIVE)
    assert [freshness.fault(frame(n, n * 100 + 5), part(n), None) for n in (1, 2, 3)] == [None] * 3
    assert set(freshness.counts.values()) == {0}


CASES = {
    "of another part": (
        LIVE,
        [frame(1, 105), frame(2, 205, part_id=1)],
        Refusal.MIXED_UP,
        "frame refused: of part 1, expected 2",
    ),
    "the same number": (
        LIVE,
        [frame(1, 105), frame(2, 205, sequence=1)],
        Refusal.REPEATED,
        "frame refused: sequence 1 again, last was 1",
    ),
    "the same stamp": (
        LIVE,
        [frame(1, 105), frame(2, 105)],
        Refusal.REPEATED,
        "frame refused: exposed when the last one was",
    ),
    "the same pixels": (
        LIVE,
        [frame(1, 105), frame(2, 205, level=1)],
        Refusal.REPEATED,
        "frame refused: every pixel as in the last one",
    ),
    "of the part before": (
        LIVE,
        [frame(1, 105), frame(2, 198.5)],
        Refusal.LAGGING,
        "frame refused: exposed 1.5 ms before its trigger, after that of the part before",
    ),
    "from before the part before": (
        LIVE,
        [frame(1, 105), frame(2, 99)],
        Refusal.EARLY,
        "frame refused: exposed 101.0 ms before its trigger",
    ),
    "before the first part": (
        LIVE,
        [frame(1, 99.9)],
        Refusal.EARLY,
        "frame refused: exposed 0.1 ms before its trigger",
    ),
    "of the part after": (
        LIVE,
        [frame(1, 203)],
        Refusal.AHEAD,
        "frame refused: exposed 3.0 ms after the next part's trigger",
    ),
    "before the one that came before": (
        FreshnessRules(),
        [frame(1, 260), frame(2, 240)],
        Refusal.REPEATED,
        "frame refused: exposed before the last one",
    ),
    "too long after its trigger": (
        FreshnessRules(live=True, within_ns=20 * MS),
        [frame(1, 120), frame(2, 220.1)],
        Refusal.LATE,
        "frame refused: exposed 20.1 ms after its trigger, at most 20",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_last_of_these_frames_is_refused(case):
    rules, frames, refusal, said = CASES[case]
    freshness = Freshness(rules)
    found = [
        freshness.fault(one, part(n), part(n + 1).triggered_ns) for n, one in enumerate(frames, 1)
    ]
    assert found == [None] * (len(frames) - 1) + [said]
    assert {key: n for key, n in freshness.counts.items() if n} == {refusal: 1}


def test_the_rules_of_a_sensor_are_not_those_of_a_recording():
    frames = [frame(1, 203), frame(2, 305, level=1)]
    assert judged(FreshnessRules(), *frames) == [None, None]
    ahead, same = judged(LIVE, *frames)
    assert ahead is not None
    assert same is not None


def test_early_ns_is_how_much_too_early_a_frame_may_seem():
    rules = FreshnessRules(live=True, early_ns=MS // 2)
    assert judged(rules, frame(1, 99.5), frame(2, 199.4), following=False) == [
        None,
        "frame refused: exposed 0.6 ms before its trigger, after that of the part before",
    ]


def test_a_camera_that_lags_by_one_from_the_beginning_never_gets_a_part_through():
    freshness = Freshness(LIVE)
    freshness.count_missing(part(1), Refusal.NO_FRAME)
    for number in range(2, 8):
        assert freshness.fault(frame(number, number * 100 - 95), part(number), None) is not None
    assert {key: n for key, n in freshness.counts.items() if n} == {
        Refusal.NO_FRAME: 1,
        Refusal.LAGGING: 6,
    }


def test_a_frozen_picture_is_refused_again_and_again_and_the_next_live_one_is_not():
    said = judged(LIVE, *(frame(n, n * 100 + 5, level=7) for n in range(1, 5)), frame(5, 505))
    assert [one is None for one in said] == [True, False, False, False, True]


def test_one_pixel_that_differs_is_another_picture_and_so_is_another_shape():
    first, second = frame(1, 105, level=9), frame(2, 205, level=9)
    second.pixels[-1, -1] += 1
    third = Frame(3, 3, 0, 305 * MS, second.pixels.reshape(4, 3).copy())
    assert judged(LIVE, first, second, third) == [None, None, None]


@pytest.mark.parametrize(
    ("by_ms", "said"),
    [
        (199.0, None),
        (215.0, "frame refused: perhaps exposed 15.0 ms after the next part's trigger"),
    ],
)
def test_a_frame_that_may_be_the_next_part_s_is_refused(by_ms, said):
    unsure = frame(1, 105, exposed_by_ns=round(by_ms * MS))
    assert judged(LIVE, unsure) == [said]


def test_a_frame_that_may_be_too_late_is_refused():
    rules = FreshnessRules(live=True, within_ns=20 * MS)
    assert judged(rules, frame(1, 105, exposed_by_ns=119 * MS)) == [None]
    assert judged(rules, frame(1, 105, exposed_by_ns=121 * MS)) == [
        "frame refused: perhaps exposed 21.0 ms after its trigger, at most 20"
    ]
