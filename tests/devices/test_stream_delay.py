"""The age of a frame, derived from arrivals. Every frame's true delay is known here."""

import random

import pytest

from edge.devices.stream_delay import SETTLING, StreamDelay

MS = 1_000_000
FRAME = 40 * MS


def run(delays: list[float | None], *, stamped: bool = False, rate: float = 1.0) -> list[float]:
    """Hidden age of each judged frame, ms: how much older it is than its claimed excess allows, for
    delays in ms (None: dropped). rate: of the sender's clock against ours."""
    delay, hidden, arrived = StreamDelay(), [], 0
    least = min(one for one in delays if one is not None)
    for number, one in enumerate(delays):
        if one is None:
            continue
        arrived = max(arrived + 10_000, number * FRAME + round(one * MS))
        stamp = round(number * FRAME * rate) if stamped else None
        excess = delay.arrived(arrived, stamp)
        if excess is not None:
            true = (arrived - number * FRAME) / MS - least
            hidden.append(true - excess / MS)
    return hidden


STEADY: list[float | None] = [20.0] * 60


def jitter(seed: int, count: int, most: float) -> list[float | None]:
    rng = random.Random(seed)
    return [20 + rng.uniform(0, most) for _ in range(count)]


@pytest.mark.parametrize("stamped", [False, True])
def test_a_steady_stream_has_no_excess(stamped: bool) -> None:
    assert max(run(STEADY * 10, stamped=stamped)) <= 0.1


@pytest.mark.parametrize("stamped", [False, True])
@pytest.mark.parametrize(
    "stall",
    [
        [500.0 - 40 * n for n in range(12)],  # a stall, and all that waited at once
        [500.0 - 4 * n for n in range(120)],  # a queue that drains slowly
        [500.0] * 50,  # one that does not drain
        [4.0 * n for n in range(125)],  # one that grows by a tenth of the time
    ],
    ids=["burst", "slow drain", "no drain", "growing"],
)
def test_no_frame_of_a_queue_seems_fresher_than_it_is(stall: list, stamped: bool) -> None:
    for seed in range(20):
        delays = jitter(seed, 400, 8.0) + [20 + one for one in stall] + jitter(seed, 50, 8.0)
        # Within the jitter by which the pace is known.
        assert max(run(delays, stamped=stamped)) <= 8.0 + 12.0


def test_with_stamps_a_frame_that_was_dropped_is_no_delay() -> None:
    delays = STEADY + [None] * 12 + STEADY
    delay, last = StreamDelay(), None
    for number, one in enumerate(delays):
        if one is not None:
            last = delay.arrived(number * FRAME + 20 * MS, number * FRAME)
    assert last == 0


def test_without_stamps_it_may_be_one_and_stays_so() -> None:
    delay, last = StreamDelay(), None
    for number, one in enumerate(STEADY + [None] * 12 + STEADY):
        if one is not None:
            last = delay.arrived(number * FRAME + 20 * MS)
    assert last is not None
    assert last > 400 * MS
    assert delay.behind_since_ns is not None


def test_two_clocks_may_differ_as_crystals_do() -> None:
    assert max(run(STEADY * 50, stamped=True, rate=1 - 150e-6)) <= 20.0
    assert min(run(STEADY * 50, stamped=True, rate=1 - 150e-6)) >= -1.0


def test_stamps_that_were_made_up_on_the_way_are_not_believed() -> None:
    """FFmpeg counts 25 frames a second where the sender gives no time: of a camera at 30, every
    arrival would seem early, and a queue would be hidden."""
    delay, excess = StreamDelay(), 0
    for number in range(200):
        held = 300 * MS if number >= 100 else 0
        excess = delay.arrived(number * 33 * MS + held, number * 40 * MS) or 0
    assert excess > 250 * MS


def test_nothing_is_known_until_the_pace_is() -> None:
    delay = StreamDelay()
    told = [delay.arrived(number * FRAME) for number in range(SETTLING + 12)]
    assert told[: SETTLING + 6] == [None] * (SETTLING + 6)
    assert told[-1] is not None
    assert delay.is_settled


def test_a_sender_whose_clock_is_set_is_learnt_anew() -> None:
    delay = StreamDelay()
    for number in range(60):
        delay.arrived(number * FRAME, number * FRAME)
    assert delay.is_settled
    assert delay.arrived(60 * FRAME, 5 * FRAME) is None
    assert not delay.is_settled
