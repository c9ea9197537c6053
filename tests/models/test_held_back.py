"""The search for the reject severity on held-back pictures, with the chain that judges them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.bundle import ChainManifest
from edge.records import SeverityMap
from models.data.dataset import DataSet, Sample
from models.runs.preparation import Preparation
from models.runs.run import RunRecord
from models.training.held_back import HeldBackChain
from models.training.patches import Picture
from models.training.recipe import Recipe

T = 2.0
DRAWN = (4, 4)


class Tens:
    """Severity is a tenth of the grey level; one cell per pixel."""

    def detect(self, pixels: np.ndarray) -> SeverityMap:
        return SeverityMap((pixels / 10).astype(np.float32), 1.0, 0, 1)


def picture(*spots: tuple[int, int, float], bad: bool = True, unmasked: bool = False) -> Picture:
    """40×40 px with spots of 4×4 px: top, left, severity. A bad part is drawn at DRAWN."""
    pixels, kind_map = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
    for top, left, severity in spots:
        pixels[top : top + 4, left : left + 4] = round(10 * severity)
    if bad and not unmasked:
        kind_map[DRAWN[0] : DRAWN[0] + 4, DRAWN[1] : DRAWN[1] + 4] = 1
    kinds = ("pit",) if bad else ()
    return Picture(Sample("a.png", Path("a.png"), "a", kinds, unmasked=unmasked), pixels, kind_map)


def searched(*pictures: Picture, limit: float | None = None) -> float | None:
    dataset = DataSet(Path(), "folders", ("pit",), 1, ())
    record = RunRecord(
        recipe=Recipe(name="x"),
        data=".",
        layout="folders",
        kinds=("pit",),
        channels=1,
        train=(),
        validation=(),
        unmasked=(),
    )
    prepared = Preparation(record, dataset, (), pictures)
    chain = HeldBackChain(prepared, Tens(), None, 0.0)
    return chain.search_reject_severity(ChainManifest(threshold=T), limit)


def test_it_lies_between_the_worst_region_of_good_parts_and_the_defects() -> None:
    found = searched(picture((20, 20, 4.0), bad=False), picture((*DRAWN, 10.0)))
    assert found == pytest.approx(6.0, abs=0.2)


def test_without_a_good_part_the_surface_beside_the_drawn_defects_stands_for_one() -> None:
    """Defects peak at 9 and 10; regions where nothing is drawn at 3, 5 and 7."""
    found = searched(
        picture((*DRAWN, 9.0), (20, 20, 3.0)),
        picture((*DRAWN, 10.0), (20, 20, 5.0), (30, 30, 7.0)),
        picture((*DRAWN, 10.0)),
    )
    assert found == pytest.approx(7.0 + 2 / 3, abs=0.2)


def test_a_region_beside_a_drawn_pixel_is_its_rim() -> None:
    beside = picture((*DRAWN, 9.0), (4, 11, 5.0))  # within 4 px: joined with the defect
    assert searched(beside, picture((*DRAWN, 9.0))) == pytest.approx(T + 7 / 3, abs=0.2)


def test_with_a_good_part_what_lies_beside_the_drawn_defects_does_not_count() -> None:
    drawn = picture((*DRAWN, 10.0), (20, 20, 8.0))
    assert searched(drawn, picture(bad=False)) == pytest.approx(T + 8 / 3, abs=0.2)


def test_a_defect_that_nobody_sees_does_not_pull_the_limit_down() -> None:
    """One of ten defects peaks at 2.5: to reject it, nine parts with a region of 4 beside the
    defect would have to be rejected for the wrong reason."""
    parts = [picture((*DRAWN, 9.0), (20, 20, 4.0)) for _ in range(9)]
    found = searched(*parts, picture((*DRAWN, 2.5)))
    assert found is not None
    assert 4.0 < found < 9.0


def test_a_defective_part_without_a_mask_counts_by_its_worst_region() -> None:
    found = searched(picture((20, 20, 8.0), unmasked=True), picture((20, 20, 5.0), bad=False))
    assert found == pytest.approx(6.0, abs=0.2)


def test_every_defect_rejects_where_no_defective_part_has_a_region() -> None:
    assert searched(picture(), picture(bad=False)) is None


def test_within_a_limit_no_good_part_of_the_held_back_ones_is_rejected() -> None:
    good = [picture((20, 20, 3.0), bad=False) for _ in range(9)]
    outlier, faint = picture((20, 20, 6.0), bad=False), picture((*DRAWN, 5.0))
    parts = (*good, outlier, faint, picture((*DRAWN, 9.0)))
    assert searched(*parts) == pytest.approx(3.1 + 1.9 / 3, abs=0.1)
    assert searched(*parts, limit=0.005) == pytest.approx(6.1 + 2.9 / 3, abs=0.1)
    within = searched(*parts, limit=0.1)
    assert within is not None
    assert 3.0 < within <= 5.0


def test_a_limit_within_which_every_defective_part_would_pass_is_not_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    parts = (
        *(picture((20, 20, 3.0), bad=False) for _ in range(3)),
        picture((20, 20, 10.0), bad=False),
        picture((*DRAWN, 6.0)),
    )
    with caplog.at_level("WARNING"):
        assert searched(*parts, limit=0.005) == searched(*parts)
    assert "within 0.5% false rejects every held-back defective part would pass" in caplog.text


def test_a_limit_cannot_be_applied_without_a_good_part() -> None:
    parts = (picture((*DRAWN, 9.0), (20, 20, 3.0)), picture((*DRAWN, 10.0)))
    assert searched(*parts, limit=0.005) == searched(*parts)
