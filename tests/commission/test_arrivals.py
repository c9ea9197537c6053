"""Two photo-eyes: how far they are apart, for any line."""

from hypothesis import given
from hypothesis import strategies as st

from edge.commission.arrivals import Watched, find_distance


@given(
    gaps=st.lists(st.integers(200, 400), min_size=20, max_size=40),
    distance=st.integers(50, 2_000),
    slips=st.lists(st.integers(-3, 3), min_size=40, max_size=40),
    taken=st.sets(st.integers(0, 19), max_size=2),
    began=st.integers(0, 50),
)
def test_any_distance_is_found_on_a_belt_that_was_empty(
    gaps: list[int], distance: int, slips: list[int], taken: set[int], began: int
) -> None:
    places, place = [], 0
    for gap in gaps:
        place += gap
        places.append(place)
    second = [
        place + distance + slip
        for number, (place, slip) in enumerate(zip(places, slips, strict=False))
        if number not in taken
    ]
    watched = Watched(tuple(places), tuple(second), began, places[-1] + 2_100)
    found = find_distance(watched, expected=700, tolerance=8, most=2_100)
    assert found is not None
    if found.certain:
        assert abs(found.distance - distance) <= 3
        assert found.matched == len(second)
        assert found.absent == len(taken)
        assert found.furthest <= 6
    else:
        assert taken  # a part was missed by one eye, so gaps may agree by chance


def even(parts: int, gap: int) -> list[int]:
    return [gap * number for number in range(1, parts + 1)]


def test_even_gaps_on_a_belt_that_was_empty_are_certain() -> None:
    first = even(20, 100)
    watched = Watched(tuple(first), tuple(place + 370 for place in first), 0, 3_000)
    found = find_distance(watched, expected=200, tolerance=10, most=900)
    assert found is not None
    assert (found.distance, found.certain, found.matched) == (370, True, 20)


def test_even_gaps_on_a_belt_with_parts_fit_everywhere() -> None:
    first = even(30, 100)
    second = [place + 70 for place in [0, *first]]
    found = find_distance(
        Watched(tuple(first), tuple(second), 50, 3_080), expected=350, tolerance=10, most=900
    )
    assert found is not None
    assert not found.certain
    assert found.distance == 370  # the one nearest to what is expected


def test_nothing_in_common() -> None:
    watched = Watched((100, 200), (), 0, 900)
    assert find_distance(watched, expected=100, tolerance=5, most=500) is None
    late = Watched((100,), (50,), 0, 900)  # the second eye before the first
    assert find_distance(late, expected=100, tolerance=5, most=500) is None


def test_the_spread_is_of_the_parts() -> None:
    first = (100, 310, 550, 700, 990)
    second = tuple(place + 400 + slip for place, slip in zip(first, (-4, 0, 1, 2, 9), strict=True))
    found = find_distance(Watched(first, second, 0, 2_000), expected=400, tolerance=10, most=1_600)
    assert found is not None
    assert (found.distance, found.low, found.high, found.furthest) == (401, 396, 409, 8)
