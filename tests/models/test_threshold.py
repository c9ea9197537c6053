"""The search for T against trying every T with the station's own filter."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge.chain.filter import apply_threshold
from edge.records import SeverityMap
from models.evaluation.threshold import GRID, search_threshold


def some_maps(seed: int, quantised: bool, count: int = 6) -> list[tuple[SeverityMap, np.ndarray]]:
    """Blobs of random severity, annotated or not, on a noisy floor; every third part is good."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        cells = rng.uniform(0, 2, (16, 20)).astype(np.float32)
        annotated = np.zeros((31, 40), np.bool_)  # a pixel less than the cells
        for _ in range(3):
            y, x = rng.integers(0, 12, 2)
            cells[y : y + 3, x : x + 4] += rng.uniform(1, 9)
            if number % 3:
                annotated[2 * y : 2 * y + 6, 2 * x : 2 * x + 8] = True
        if quantised:
            # Steps of 0.1: severities lie on the grid of T itself, where rounding would show.
            stored = np.round(cells / 0.1).clip(0, 255).astype(np.uint8)
            found.append((SeverityMap(stored, 0.1, 0, 2), annotated))
        else:
            found.append((SeverityMap(cells.clip(0, 12), 1.0, 0, 2), annotated))
    return found


def by_trying(maps: list[tuple[SeverityMap, np.ndarray]], threshold: float) -> tuple[float, float]:
    """Mean IoU of the defective parts and the share of good ones with an alarm."""
    ious, alarms = [], []
    for severity, annotated in maps:
        found = np.zeros(annotated.shape, np.bool_)
        mask = apply_threshold(severity, threshold, *annotated.shape)
        if mask is not None:
            h, w = mask.pixels.shape
            found[mask.top : mask.top + h, mask.left : mask.left + w] = mask.pixels
        if annotated.any():
            ious.append((found & annotated).sum() / (found | annotated).sum())
        else:
            alarms.append(found.any())
    return float(np.mean(ious)), float(np.mean(alarms))


@pytest.mark.parametrize("quantised", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_the_curve_is_what_the_station_would_get(seed: int, quantised: bool) -> None:
    maps = some_maps(seed, quantised)
    found = search_threshold(maps)
    assert found.thresholds == tuple(GRID.tolist())
    tried = [by_trying(maps, threshold) for threshold in found.thresholds]
    assert found.mean_iou == pytest.approx([iou for iou, _ in tried], abs=1e-9)
    assert found.false_alarms == pytest.approx([alarm for _, alarm in tried], abs=1e-9)
    top = max(iou for iou, _ in tried)
    near = [i for i, (iou, _) in enumerate(tried) if iou >= top - 0.002]
    fewest = min(tried[i][1] for i in near)
    assert found.best == next(found.thresholds[i] for i in near if tried[i][1] == fewest)


def test_of_equal_thresholds_the_one_with_fewer_false_alarms() -> None:
    """A defect of severity 9 on 0 has IoU 1 for T up to 9; a good part has an alarm up to 5."""
    bad, good = np.zeros((2, 10, 10), np.float32)
    bad[2:6, 2:6], good[2:6, 2:6] = 9, 5
    flat = 1  # stride 1: no interpolation
    annotated = np.zeros((10, 10), np.bool_)
    annotated[2:6, 2:6] = True
    nothing = np.zeros((10, 10), np.bool_)
    maps = [(SeverityMap(bad, 1.0, 0, flat), annotated), (SeverityMap(good, 1.0, 0, flat), nothing)]
    assert search_threshold(maps).best == 5.1
    assert search_threshold(maps[:1]).best == pytest.approx((0.2 + 9.0) / 2, abs=0.1)


def test_a_detector_that_saw_nothing_and_a_set_without_defects() -> None:
    clean = SeverityMap(np.zeros((8, 8), np.float32), 1.0, 0, 2)
    annotated = np.zeros((16, 16), np.bool_)
    found = search_threshold([(clean, annotated)])
    assert (found.best, found.mean_iou) == (0.2, None)
    assert math.isnan(found.best_iou)
    annotated[4, 4] = True
    assert set(search_threshold([(clean, annotated)]).mean_iou or ()) == {0.0}
    with pytest.raises(ValueError, match="no validation picture"):
        search_threshold([])


def test_without_a_drawn_defect_good_parts_alone_say_where_t_is() -> None:
    """Of ten good parts with peaks of 1 to 10, a limit of a tenth leaves one above T."""
    maps = []
    for peak in range(1, 11):
        good = np.zeros((10, 10), np.float32)
        good[2:6, 2:6] = peak
        maps.append((SeverityMap(good, 1.0, 0, 1), np.zeros((10, 10), np.bool_)))
    assert search_threshold(maps).best == 10.1
    found = search_threshold(maps, max_false_alarms=0.1)
    assert found.best == 9.1
    assert found.false_alarms[found.thresholds.index(9.1)] == 0.1
    hopeless = [
        (SeverityMap(np.full((4, 4), 12, np.float32), 1.0, 0, 1), np.zeros((4, 4), np.bool_))
    ]
    assert search_threshold(hopeless).best == 11.8  # the highest of the grid


def test_a_limit_of_false_alarms_comes_before_mean_iou() -> None:
    """Good parts peak at 1, 2, 7 and 8; the drawn defect is best cut out at 6."""
    empty, drawn = np.zeros((8, 8), np.bool_), np.zeros((8, 8), np.bool_)
    drawn[2:4, 2:4] = True
    maps = [
        (SeverityMap(np.full((4, 4), peak, np.float32), 1.0, 0, 2), empty) for peak in (1, 2, 7, 8)
    ]
    cells = np.full((4, 4), 5.95, np.float32)
    cells[1, 1] = 6.5
    maps.append((SeverityMap(cells, 1.0, 0, 2), drawn))
    assert search_threshold(maps).best > 5.9
    # Within a half and more, T is that of the best mean IoU: no defect is missed there either.
    for limit, threshold in ((0.1, 8.1), (0.25, 8.1), (0.5, 6.1), (0.8, 6.1)):
        found = search_threshold(maps, limit)
        assert found.best == threshold
        assert found.mean_iou == search_threshold(maps).mean_iou


def flat_map(
    *spots: tuple[int, int, float], annotated: tuple[int, int] | None = (4, 4)
) -> tuple[SeverityMap, np.ndarray]:
    """A clean map of 40×40 px with spots of 4×4 px; 4×4 px drawn at one place."""
    cells, drawn = np.zeros((40, 40), np.float32), np.zeros((40, 40), np.bool_)
    for y, x, severity in spots:
        cells[y : y + 4, x : x + 4] = severity
    if annotated is not None:
        y, x = annotated
        drawn[y : y + 4, x : x + 4] = True
    return SeverityMap(cells, 1.0, 0, 1), drawn


def test_without_a_good_part_t_is_the_middle_of_equally_good_ones() -> None:
    """Drawn pixels are at 9 and 10, others at 3. The mean IoU is 1 from 3.1 to 9.0."""
    maps = [flat_map((4, 4, 9.0), (20, 20, 3.0)), flat_map((4, 4, 10.0))]
    found = search_threshold(maps)
    assert found.false_alarms is None, "unknown, which is not 0"
    assert found.best == pytest.approx((3.1 + 9.0) / 2, abs=0.1)
    with_good = search_threshold([*maps, flat_map((4, 4, 5.0), annotated=None)])
    assert with_good.false_alarms is not None
    assert with_good.best == 5.1


def marked_map(peak: float) -> tuple[SeverityMap, tuple[int, int]]:
    found, drawn = flat_map((8, 8, peak), annotated=None)
    height, width = drawn.shape
    return found, (height, width)


def test_marked_parts_set_t_where_no_defect_is_drawn() -> None:
    """Good parts reach 1 to 4, marked ones 5 to 8: T is a third of the way from 4 to 5."""
    good = [flat_map((8, 8, peak), annotated=None) for peak in (1.0, 2.0, 3.0, 4.0)]
    marked = [marked_map(peak) for peak in (5.0, 6.0, 7.0, 8.0)]
    found = search_threshold(good, marked=marked)
    assert found.best == 4.4
    assert found.missed is not None
    at = found.thresholds.index
    assert (found.missed[at(4.4)], found.missed[at(6.5)], found.missed[at(9.0)]) == (0.0, 0.5, 1.0)
    # One good part among the marked ones costs less than the marked parts below it.
    above = flat_map((8, 8, 7.5), annotated=None)
    assert search_threshold([*good, above], marked=marked).best == 4.4
    assert search_threshold([*good, above], most_false_alarms=0.1, marked=marked).best == 7.7
    # A drawn defect comes first.
    drawn = flat_map((4, 4, 9.0))
    assert (
        search_threshold([*good, drawn], marked=marked).best
        == search_threshold([*good, drawn]).best
    )


def test_within_a_limit_t_is_the_lowest_that_misses_no_more_of_the_marked_parts() -> None:
    """Good parts reach 1 to 4. Within a quarter T is 3.1 or more."""
    good = [flat_map((8, 8, peak), annotated=None) for peak in (1.0, 2.0, 3.0, 4.0)]
    assert search_threshold(good, 0.25).best == 3.1
    # The fourth part need not be rejected: T is a third of the way from 4 to the marked part at 7.
    assert search_threshold(good, 0.25, marked=[marked_map(7.0)]).best == 5.0
    # To reject the marked part at 3.5 the good one at 4 must be rejected too.
    found = search_threshold(good, 0.25, marked=[marked_map(3.5), marked_map(9.0)])
    assert 3.0 < found.best <= 3.5
    assert search_threshold(good, 0.1, marked=[marked_map(3.5)]).best > 4.0
