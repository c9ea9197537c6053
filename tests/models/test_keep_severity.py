"""The search for how sure the classifier must be to drop a region."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.bundle import ChainManifest, KindManifest
from edge.chain.classify import BlockVote
from edge.chain.components import components
from edge.chain.filter import apply_threshold
from edge.records import Defect, Dropped, SeverityMap
from models.data.dataset import Sample
from models.evaluation.keep_severity import GRID, search_background
from models.training.patches import Picture

CHAIN = ChainManifest(threshold=6.0)
KINDS = (KindManifest(name="pit"),)


class Spots:
    """Severity 12 where a pixel is not 128; one cell per 2×2 pixels."""

    def detect(self, pixels: np.ndarray) -> SeverityMap:
        cells = np.where(pixels[::2, ::2] != 128, np.float32(12), np.float32(0))
        return SeverityMap(cells, 1.0, 0, 2)


class ByGrey:
    """Background score of a block: its darkest or brightest grey level other than 128, / 255."""

    def __init__(self) -> None:
        self.input = np.full((5, 64, 64, 1), 128, np.uint8)

    def run(self, count: int | None = None) -> np.ndarray:
        blocks = self.input[:count].reshape(-1, 64 * 64).astype(int)
        greys = np.take_along_axis(blocks, np.abs(blocks - 128).argmax(1)[:, None], 1)[:, 0]
        share = np.clip(greys / 255, 1e-3, 1 - 1e-3)
        return np.stack([np.log(share), np.log(1 - share)], 1).astype(np.float32)


def picture(grey: int, *, bad: bool) -> Picture:
    """A part whose one region the classifier calls background to the degree of ``grey``."""
    pixels = np.full((96, 96), 128, np.uint8)
    kind_map = np.zeros_like(pixels)
    if grey != 128:
        pixels[40:50, 40:50] = grey
    if bad:
        kind_map[40:50, 40:50] = 1
    sample = Sample("x.png", Path("x.png"), "x", ("pit",) if bad else ())
    return Picture(sample, pixels, kind_map)


def searched(*pictures: Picture) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    found = search_background(Spots(), BlockVote(ByGrey(), 64, 1, KINDS), CHAIN, pictures)
    assert found.grid == GRID
    return found.best, found.escape_rate, found.false_reject_rate


def test_of_equals_the_middle_one_is_taken() -> None:
    best, escapes, rejects = searched(picture(153, bad=True), picture(250, bad=False))
    equal = [v for v, e, r in zip(GRID, escapes, rejects, strict=True) if e == r == 0.0]
    assert len(equal) > 4
    assert equal[0] < best < equal[-1]


def test_without_good_parts_nothing_is_dropped_that_costs_no_escape() -> None:
    best, escapes, _ = searched(picture(153, bad=True))
    assert best == 0.0
    assert escapes[0] == 0.0


def test_a_defect_called_background_half_heartedly_is_kept() -> None:
    # 0.6 background for a true defect, 0.98 for the false alarm, both of severity 12.
    best, escapes, _ = searched(picture(153, bad=True), picture(250, bad=False))
    assert 12 * 0.02 < best < 12 * 0.4
    assert escapes[-1] == 1.0
    assert escapes[GRID.index(best)] == 0.0


def test_parts_without_regions_are_passed_at_every_value() -> None:
    _, escapes, rejects = searched(picture(128, bad=True), picture(128, bad=False))
    assert set(escapes) == {1.0}
    assert set(rejects) == {0.0}


@pytest.mark.parametrize("value", [0.0, 2.5, 2.75, 12.0])
def test_the_chain_does_what_the_search_says(value: float) -> None:
    """keep_severity on the vote itself, against the rates of the search."""
    bad = picture(200, bad=True)  # background 0.784 leaves 2.6 of 12
    _, escapes, _ = searched(bad, picture(128, bad=False))
    vote = BlockVote(ByGrey(), 64, 1, KINDS, keep_severity=value)
    mask = apply_threshold(Spots().detect(bad.pixels), 6.0, 96, 96)
    assert mask is not None
    named = vote.classify(bad.pixels, components(mask, 4.0).regions)
    (answer,) = named
    assert isinstance(answer, Dropped) == (escapes[GRID.index(value)] == 1.0) == (value > 2.6)
    if isinstance(answer, Defect):
        assert answer.kind == "pit"


def test_an_escape_is_worse_than_a_false_reject() -> None:
    """One more defect in 300 is worth one more good part in 100, not one in 30."""
    bad = [picture(20, bad=True)] * 299 + [picture(200, bad=True)]
    for good, wins in ((100, True), (30, False)):
        parts = [picture(190, bad=False)] + [picture(128, bad=False)] * (good - 1)
        best, escapes, rejects = searched(*bad, *parts)
        at = GRID.index(best)
        assert escapes[at] == pytest.approx(0.0 if wins else 1 / 300)
        assert rejects[at] == pytest.approx(1 / good if wins else 0.0)
