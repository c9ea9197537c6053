"""Plans of stripes: every cell once, from a stripe that has its reach."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.chain.stripes.plan import StripeAxis, fixed_plan, most_of_a_run, plan_stripes
from edge.chain.stripes.reach import CellReach
from edge.errors import FrameError

sides = st.builds(
    lambda length, reach: StripeAxis(-(-length // 32) * 32, -(-length // 2), reach),
    st.integers(64, 3000),
    st.builds(CellReach, st.just(2), st.integers(0, 200), st.integers(0, 200), st.just(32)),
)


@settings(deadline=None, max_examples=60)
@given(sides, sides, st.integers(1, 4))
def test_every_cell_comes_from_a_stripe_with_its_reach(
    rows: StripeAxis, cols: StripeAxis, threads: int
) -> None:
    plan = plan_stripes(rows, cols, threads=threads, max_run_px=640 * 640)
    assert plan.height * plan.width <= 640 * 640
    for side, spans, size in ((rows, plan.rows, plan.height), (cols, plan.cols, plan.width)):
        assert (spans[0].first, spans[-1].last) == (0, side.cells)
        assert all(one.last == other.first for one, other in pairwise(spans))
        for span in spans:
            assert span.start % 32 == 0
            assert span.start + size <= side.whole
            if span.start:
                assert span.first * 2 - side.reach.before_px >= span.start
            if span.start + size < side.whole:
                assert span.last * 2 + side.reach.after_px <= span.start + size


def test_a_run_that_is_shorter_than_the_reach_is_refused() -> None:
    side = StripeAxis(1024, 512, CellReach(2, 206, 178, 32))
    with pytest.raises(FrameError, match="smaller than the reach"):
        fixed_plan(side, side, 384, 1024)
    with pytest.raises(FrameError, match="cannot be cut"):
        plan_stripes(side, side, threads=1, max_run_px=384 * 384)


def test_the_runs_of_all_threads_are_bounded() -> None:
    assert [most_of_a_run(threads) >> 20 for threads in (1, 2, 3, 6, 64)] == [4, 3, 2, 1, 1]
