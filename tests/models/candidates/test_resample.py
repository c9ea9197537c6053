"""Bootstrap over parts, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from models.candidates.resample import better, resampled_auroc
from models.evaluation.metrics import auroc


def test_each_resample_is_an_auroc_of_whole_parts() -> None:
    """Two good parts, two bad: what a resample gives is one of the few that can be."""
    good, bad = np.array([[1.0, 1.0, 5.0]]), np.array([[2.0, 9.0]])
    found = resampled_auroc(good, bad, ["a", "a", "b"], ["c", "d"], 500)
    sides = [([1, 1, 1, 1], 1.0), ([5, 5], 0.0), ([1, 1, 5], None)]
    possible = set()
    for some, _ in sides:
        for defects in ([2, 2], [9, 9], [2, 9]):
            labels = [False] * len(some) + [True] * len(defects)
            possible.add(round(auroc(labels, [*some, *defects]), 9))
    assert set(np.round(found[:, 0], 9)) == possible
    assert found.shape == (500, 1)


def test_the_spread_is_that_of_the_binomial() -> None:
    """A candidate that finds 60 of 100 bad parts: sd of a share of 100."""
    good = np.zeros((1, 400))
    bad = np.concatenate([np.ones(60), -np.ones(40)])[None]
    found = resampled_auroc(good, bad, [str(i) for i in range(400)], [f"b{i}" for i in range(100)])
    assert found.mean() == pytest.approx(0.6, abs=0.005)
    assert found.std() == pytest.approx((0.6 * 0.4 / 100) ** 0.5, rel=0.1)


def test_candidates_are_resampled_together() -> None:
    rng = np.random.default_rng(0)
    good, bad = rng.normal(0, 1, 50), rng.normal(1, 1, 20)
    parts = [str(i) for i in range(50)], [f"b{i}" for i in range(20)]
    found = resampled_auroc(np.stack([good, good]), np.stack([bad, bad + 0.2]), *parts)
    assert (found[:, 1] >= found[:, 0]).all()
    assert better(found[:, 1], found[:, 0]) > 0.9
    assert better(found[:, 0], found[:, 0]) == 0.5
    again = resampled_auroc(np.stack([good, good]), np.stack([bad, bad + 0.2]), *parts)
    np.testing.assert_array_equal(again, found)
    other = resampled_auroc(np.stack([good, good]), np.stack([bad, bad + 0.2]), *parts, seed=1)
    assert not np.array_equal(other, found)


def test_a_synthetic_defect_is_drawn_together_with_its_good_part() -> None:
    """One of two good parts has the only defect, so a resample without this part is left out."""
    good, bad = np.array([[1.0, 3.0]]), np.array([[2.0]])
    found = resampled_auroc(good, bad, ["a", "b"], ["a"], 400)
    assert 250 < len(found) < 350  # 3 of 4
    assert set(found[:, 0]) == {1.0, 0.5}
