"""The ranking, and the number of defects that would separate two candidates."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from models.candidates.ranking import FAR_AHEAD, _is_preferred, _needed, _rank
from tests.support.candidates import candidate


def test_ranks() -> None:
    better = candidate(figure=0.95, ms_per_frame=90.0)
    equal = candidate(figure=0.9002, escapes=1)
    fewer = candidate(escapes=0, ms_per_frame=9.0)
    faster = candidate()
    assert sorted((faster, fewer, equal, better), key=_rank) == [better, faster, fewer, equal]


def test_the_number_of_defects_that_would_separate_two_candidates() -> None:
    """A spread of 0.05 at 20 defects and 0.02 between them: 20 · (1.645 · 0.05 / 0.02)² = 338.2."""
    spread = np.array([-0.05, 0.05])
    pair = (candidate(figure=0.92), candidate(figure=0.9, behind=0.7))
    assert _needed(pair, spread, 20) == 339
    assert _needed(pair, spread / 100, 20) is None  # separated already
    assert _needed((pair[0], candidate(figure=0.9, behind=0.96)), spread, 20) is None
    assert _needed((candidate(), candidate(behind=0.5)), spread, 20) is None  # alike
    assert _needed(pair, spread * 10, 20) is None  # more than anybody photographs


def test_the_preferred_method_unless_another_is_far_ahead() -> None:
    own = candidate(method="ensemble", figure=0.8, figure_low=0.7)
    near = candidate(figure=0.8 + FAR_AHEAD - 0.01)
    far = candidate(figure=0.8 + FAR_AHEAD + 0.01)
    chance = own.model_copy(update={"figure_low": 0.5})
    assert _is_preferred({"ensemble": own, "memory-bank": near}, "memory-bank")
    assert not _is_preferred({"ensemble": own, "memory-bank": far}, "memory-bank")
    assert not _is_preferred({"ensemble": chance, "memory-bank": near}, "memory-bank")
    assert not _is_preferred({"memory-bank": near}, "memory-bank")
