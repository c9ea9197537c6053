"""The pause between tries."""

import random

from edge.uplink.backoff import BASE_S, Backoff


def test_pauses_grow_to_the_bound_and_are_never_in_step() -> None:
    histories = []
    for seed in range(50):
        backoff = Backoff(8.0, random.Random(seed))
        histories.append([backoff.next_s() for _ in range(2000)])
    for history in histories:
        assert 0 <= history[0] <= BASE_S
        for tries, pause_s in enumerate(history[1:], start=1):
            top_s = min(8.0, BASE_S * 2 ** min(tries, 20))
            assert top_s / 2 <= pause_s <= top_s
    assert len({history[0] for history in histories}) == 50


def test_success_makes_pauses_short_again() -> None:
    backoff = Backoff(30.0, random.Random(1))
    for _ in range(10):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() <= BASE_S


def test_a_small_bound_holds_from_the_first_on() -> None:
    backoff = Backoff(0.1, random.Random(1))
    assert max(backoff.next_s() for _ in range(100)) <= 0.1
