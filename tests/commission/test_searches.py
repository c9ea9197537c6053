"""The searches by test pulses find the true delay and the true pulse length."""

from hypothesis import given
from hypothesis import strategies as st

from edge.commission.delay_search import Aim, DelaySearch
from edge.commission.pulse_search import LEAST_US, PulseSearch


def aim_at(window: tuple[int, int], delay: int) -> Aim:
    return Aim.EARLY if delay < window[0] else Aim.LATE if delay > window[1] else Aim.HIT


@given(
    configured=st.integers(100, 400_000),
    share=st.floats(0, 1),
    resolution=st.integers(1, 2_000),
    wider=st.integers(0, 20_000),
)
def test_any_true_delay_is_found_within_the_resolution(
    configured: int, share: float, resolution: int, wider: int
) -> None:
    least, most = configured // 2, 2 * configured
    width = resolution + wider
    if width > most - least:
        return
    first = least + round(share * (most - least - width))
    window = first, first + width
    search = DelaySearch(configured, resolution=resolution, least=least, most=most)
    asked = 0
    while (delay := search.next()) is not None:
        assert least <= delay <= most
        search.answer(aim_at(window, delay))
        asked += 1
    assert asked <= 3 * 20
    assert search.fault is None
    assert search.best is not None
    assert search.window is not None
    for found, true in zip(search.window, window, strict=True):
        assert abs(found - true) <= resolution
    assert abs(search.best - sum(window) // 2) <= resolution


def test_the_configured_delay_is_tried_first() -> None:
    search = DelaySearch(400, resolution=5, least=200, most=800)
    assert search.next() == 400
    search.answer(Aim.HIT)
    assert search.best == 400
    assert search.next() == 299  # below, for the beginning of the window


def test_no_delay_hits_and_answers_that_contradict() -> None:
    search = DelaySearch(400, resolution=5, least=200, most=800)
    while search.next() is not None:
        search.answer(Aim.EARLY)
    assert search.fault == "no delay hits between 797 and 801"
    assert search.best is None
    search = DelaySearch(400, resolution=5, least=200, most=800)
    search.answer(Aim.HIT)
    search.answer(Aim.LATE)  # and yet below one that hit
    assert search.fault == "answers contradict: 299 was late, (400, 400) hit"
    search.answer(Aim.HIT)  # the search has ended
    assert search.next() is None


@given(
    configured_us=st.integers(500, 60_000),
    needed_us=st.integers(1, 200_000),
    resolution_us=st.integers(100, 2_000),
)
def test_the_shortest_pulse_is_found(
    configured_us: int, needed_us: int, resolution_us: int
) -> None:
    search = PulseSearch(configured_us, most_us=100_000, resolution_us=resolution_us)
    while (pulse_us := search.next()) is not None:
        assert pulse_us <= max(100_000, configured_us)
        search.answer(pulse_us >= needed_us)
    if needed_us > 100_000:
        assert search.fault == "no pulse up to 100 ms ejects"
        return
    assert search.fault is None
    assert search.shortest_us is not None
    assert needed_us <= search.shortest_us
    assert search.shortest_us <= max(needed_us, LEAST_US) + resolution_us
    assert search.proposed_us is not None
    assert 1.5 * search.shortest_us <= search.proposed_us <= 1.5 * search.shortest_us + 100


@given(answers=st.lists(st.booleans(), min_size=45, max_size=45))
def test_random_answers_end_the_search(answers: list[bool]) -> None:
    search = PulseSearch(20_000, most_us=100_000)
    for answer in answers:
        search.answer(answer)
    assert search.next() is None
    assert search.pulses <= 40
    assert search.fault is not None or search.proposed_us is not None


def test_a_pulse_that_fails_once_is_not_the_shortest() -> None:
    search = PulseSearch(4_000, most_us=10_000, resolution_us=1_500)
    tried = []
    while (pulse_us := search.next()) is not None:
        tried.append(pulse_us)
        search.answer(pulse_us > 3_000 or (tried.count(pulse_us) == 1 and pulse_us == 2_500))
    assert tried[:4] == [4_000, 2_500, 2_500, 4_000]
    assert search.shortest_us == 4_000
