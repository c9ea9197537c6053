"""The pixels of areas: the rule of centres, compared with pycocotools and OpenCV."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge.label_files import LabelError, extent, rasterise
from edge.label_files.raster import turned_box
from edge.label_files.shapes import (
    BitmapArea,
    BoxArea,
    EllipseArea,
    LabelledArea,
    PolygonArea,
    RunsArea,
)
from tests.support.folders import encoded
from tests.support.label_exports import rings_of

# pycocotools 2.0 converts arrays by a call that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HEIGHT, WIDTH = 60, 80
MASKS = st.tuples(st.integers(1, 14), st.integers(1, 14)).flatmap(
    lambda shape: arrays(np.bool_, shape)
)
POINTS = st.lists(
    st.tuples(st.floats(-20, WIDTH + 20), st.floats(-20, HEIGHT + 20)), min_size=3, max_size=12
)


def polygon(*rings: list[tuple[float, float]], area_px: float | None = None) -> PolygonArea:
    return PolygonArea(tuple(tuple(ring) for ring in rings), area_px)


def centres_inside(ring: list[tuple[float, float]]) -> np.ndarray:
    """The even-odd rule, written for one pixel after the other."""
    found = np.zeros((HEIGHT, WIDTH), np.bool_)
    for row in range(HEIGHT):
        for col in range(WIDTH):
            x, y, inside = col + 0.5, row + 0.5, False
            for (x0, y0), (x1, y1) in zip(ring, ring[1:] + ring[:1], strict=True):
                if (y0 <= y) != (y1 <= y) and x >= x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                    inside = not inside
            found[row, col] = inside
    return found


@given(mask=MASKS)
@settings(deadline=None)
def test_an_outline_along_the_sides_of_pixels_gives_them_exactly(mask: np.ndarray) -> None:
    if not mask.any():
        return
    rings = rings_of(mask)
    assert np.array_equal(rasterise(polygon(*rings), *mask.shape), mask)


@given(ring=POINTS)
@settings(deadline=None, max_examples=20)
def test_a_pixel_counts_by_its_centre(ring: list[tuple[float, float]]) -> None:
    expected = centres_inside(ring)
    if expected.any():
        assert (rasterise(polygon(ring), HEIGHT, WIDTH) != expected).sum() <= 1  # rounding


@given(ring=POINTS)
@settings(deadline=None)
def test_no_outline_is_lost(ring: list[tuple[float, float]]) -> None:
    assert rasterise(polygon(ring), HEIGHT, WIDTH).any()


def test_the_convention_is_that_of_pycocotools_and_not_of_opencv() -> None:
    oracle = pytest.importorskip("pycocotools.mask")
    square = [(10.0, 20.0), (30.0, 20.0), (30.0, 50.0), (10.0, 50.0)]
    mask = rasterise(polygon(square), HEIGHT, WIDTH)
    assert mask[20:50, 10:30].all()
    assert mask.sum() == 20 * 30
    flat = [value for point in square for value in point]
    (coded,) = oracle.frPyObjects([flat], HEIGHT, WIDTH)
    assert np.array_equal(oracle.decode(coded) > 0, mask)
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(drawn, [np.array(square, np.int32)], 1)
    assert drawn.sum() == 21 * 31


@pytest.mark.parametrize("seed", range(8))
def test_curved_outlines_agree_with_pycocotools(seed: int) -> None:
    """It rounds the outline to fifths of a pixel, so that single pixels of the rim differ."""
    oracle = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * math.pi, 40))
    radii = rng.uniform(70, 100, 40)
    ring = [
        (120 + radius * math.cos(angle), 110 + radius * math.sin(angle))
        for radius, angle in zip(radii, angles, strict=True)
    ]
    ours = rasterise(polygon(ring), 220, 240)
    coded = oracle.frPyObjects([[value for point in ring for value in point]], 220, 240)
    theirs = oracle.decode(coded)[:, :, 0] > 0
    assert (ours & theirs).sum() / (ours | theirs).sum() >= 0.99


OUTER = [(10.0, 10.0), (50.0, 10.0), (50.0, 50.0), (10.0, 50.0)]
INNER = [(20.0, 20.0), (40.0, 20.0), (40.0, 40.0), (20.0, 40.0)]
CORE = [(28.0, 28.0), (32.0, 28.0), (32.0, 32.0), (28.0, 32.0)]
BESIDE = [(60.0, 10.0), (70.0, 10.0), (70.0, 20.0), (60.0, 20.0)]


@pytest.mark.parametrize(
    ("rings", "area_px", "pixels"),
    [
        ((OUTER, INNER), None, 1600 - 400),
        ((INNER, OUTER), 1200.0, 1600 - 400),
        ((OUTER, INNER), 1600.0, 1600),  # pycocotools fills it, and `area` agrees
        ((OUTER, INNER, CORE), None, 1600 - 400 + 16),
        ((OUTER, BESIDE), None, 1600 + 100),
        ((OUTER, [(x + 5, y + 35) for x, y in INNER]), None, 1600 + 400),
        ((OUTER, [(x + 20, y) for x, y in INNER]), None, 1600 + 200),
        ((OUTER, OUTER), None, 1600),
    ],
)
def test_rings_add_up_and_a_ring_inside_is_a_hole(
    rings: tuple[list[tuple[float, float]], ...], area_px: float | None, pixels: int
) -> None:
    assert rasterise(polygon(*rings, area_px=area_px), HEIGHT + 30, WIDTH).sum() == pixels


def test_a_box_covers_the_pixels_whose_centres_it_holds() -> None:
    mask = rasterise(BoxArea(2.4, 3.6, 5.5, 6.0), 10, 10)
    assert np.argwhere(mask).tolist() == [[r, c] for r in (4, 5) for c in (2, 3, 4)]
    assert rasterise(BoxArea(2.6, 3.6, 2.9, 3.9), 10, 10).sum() == 1
    assert rasterise(BoxArea(-3.0, -3.0, 40.0, 40.0), 10, 10).all()


def test_a_turned_box_and_an_ellipse() -> None:
    ring = turned_box(20.0, 20.0, 20.0, 10.0, 90.0, pivot=(20.0, 20.0))
    mask = rasterise(PolygonArea((ring,), is_box=True), HEIGHT, WIDTH)
    assert mask[20:40, 10:20].all()
    assert mask.sum() == 200
    round_ = rasterise(EllipseArea(40.0, 30.0, 12.0, 6.0, 90.0), HEIGHT, WIDTH)
    rows, cols = np.nonzero(round_)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (18, 41, 34, 45)
    assert round_.sum() == pytest.approx(math.pi * 72, rel=0.03)
    assert rasterise(EllipseArea(40.2, 30.2, 0.1, 0.1), HEIGHT, WIDTH).sum() == 1


@pytest.mark.parametrize(
    "area",
    [
        BoxArea(3.0, 4.0, 20.0, 9.0),
        EllipseArea(30.0, 30.0, 9.0, 4.0, 33.0),
        polygon(OUTER),
        RunsArea((0, 20), 7, 8, 5, 4),
        BitmapArea(encoded(".png", np.full((4, 6), 255, np.uint8)), 9, 11, 6, 4),
    ],
)
def test_the_extent_holds_the_pixels(area: LabelledArea) -> None:
    rows, cols = np.nonzero(rasterise(area, HEIGHT, WIDTH))
    left, top, right, bottom = extent(area) or (0, 0, 0, 0)
    assert left <= cols.min() + 0.5
    assert cols.max() + 0.5 <= right
    assert top <= rows.min() + 0.5
    assert rows.max() + 0.5 <= bottom
    assert right - left <= cols.max() - cols.min() + 3
    assert bottom - top <= rows.max() - rows.min() + 3


def test_a_window_beyond_the_rim_is_cut_off() -> None:
    data = encoded(".png", np.full((4, 6), 1, np.uint8))
    mask = rasterise(BitmapArea(data, -2, 8, 6, 4), 10, 10)
    assert np.argwhere(mask).tolist() == [[r, c] for r in (8, 9) for c in range(4)]
    assert not rasterise(RunsArea((0, 4), 30, 30, 2, 2), 10, 10).any()


@pytest.mark.parametrize("data", [b"no picture", encoded(".png", np.zeros((3, 3), np.uint8))])
def test_a_bitmap_of_another_size_is_refused(data: bytes) -> None:
    with pytest.raises(LabelError, match="expected 6x4, as its corners state"):
        rasterise(BitmapArea(data, 0, 0, 6, 4), 10, 10)


def test_hostile_outlines_are_refused_quickly() -> None:
    saw = [(float(n), float(n % 2) * 2000) for n in range(20_000)]
    with pytest.raises(LabelError, match="runs up and down too often"):
        rasterise(polygon(saw), 2000, 2000)
    thin = [(float(n % 2) * 2000, 5.0) for n in range(20_000)]
    with pytest.raises(LabelError, match="the outline is too long"):
        rasterise(polygon(thin), 2000, 2000)
    huge = RunsArea((10**10,), 0, 0, 10**5, 10**5)
    with pytest.raises(LabelError, match="is 100000x100000; expected at most 80x60, as its pict"):
        rasterise(huge, HEIGHT, WIDTH)
    with pytest.raises(LabelError, match="has 2001 rings; expected at most 2000"):
        rasterise(polygon(*[INNER] * 2001), HEIGHT, WIDTH)
    with pytest.raises(LabelError, match="the rings lie on each other"):
        rasterise(polygon(*[[(0.0, 0.0), (80.0, 0.0), (80.0, 60.0)]] * 70), HEIGHT, WIDTH)
