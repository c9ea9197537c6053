"""The formula of the greatest speed: what bounds it, and that more need never allows more."""

from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from edge.commission.spacing import BeltSpacing, SpacingTimes, greatest_counts_per_s, least_gap

EASY = SpacingTimes(
    pulse_ms=20,
    error_ms=0.2,
    spread_ms=1,
    inspect_ms=5,
    capture_ms=8,
    frame_ms=0,
    spacing_ms=20,
    debounce_ms=2,
)


def test_each_thing_may_be_what_bounds_it() -> None:
    assert (least_gap(EASY).ms, least_gap(EASY).because) == (22.4, "ejector")
    for change, ms, because in (
        ({"inspect_ms": 30}, 36, "inspection"),
        ({"capture_ms": 40}, 48, "camera"),
        ({"frame_ms": 33}, 33, "camera"),
        ({"spacing_ms": 50}, 50, "spacing"),
        ({"debounce_ms": 60}, 60, "debounce"),
    ):
        found = least_gap(replace(EASY, **change))
        assert (found.ms, found.because) == (ms, because)
    assert least_gap(replace(EASY, inspect_ms=30)).rate_hz == 1e3 / 36


_ms = st.floats(0, 1_000)
measured = st.builds(
    SpacingTimes,
    pulse_ms=st.floats(0.1, 1_000),
    **dict.fromkeys(
        ("error_ms", "spread_ms", "capture_ms", "frame_ms", "spacing_ms", "debounce_ms"), _ms
    ),
    inspect_ms=st.floats(0.1, 1_000),
)


@given(one=measured, name=st.sampled_from([field.name for field in fields(SpacingTimes)]), more=_ms)
def test_more_of_anything_never_allows_more_speed(
    one: SpacingTimes, name: str, more: float
) -> None:
    other = replace(one, **{name: getattr(one, name) + more})
    assert least_gap(other).ms >= least_gap(one).ms
    belt = BeltSpacing(gap=500, spread=5, spacing=40, travel=2_000)
    assert greatest_counts_per_s(other, belt) <= greatest_counts_per_s(one, belt)


def test_by_counts() -> None:
    belt = BeltSpacing(gap=224, spread=0, spacing=40, travel=800)
    assert greatest_counts_per_s(EASY, belt) == 10_000  # 224 counts in 22.4 ms
    assert greatest_counts_per_s(EASY, replace(belt, spread=56)) == 5_000  # half of them are left
    # A verdict takes 1.2 × (8 + 5) + 0.2 = 15.8 ms: too long for a short way at that speed.
    assert round(greatest_counts_per_s(EASY, replace(belt, travel=79)), 6) == 5_000
    for nearer in ({"gap": 39}, {"spread": 112}):
        assert greatest_counts_per_s(EASY, replace(belt, **nearer)) == 0
