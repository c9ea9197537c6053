"""Step components: the same result as measuring every pair of pixels."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.bundle import ChainManifest
from edge.chain.components import MAX_CLUSTERS, MAX_REGIONS, Components, components
from edge.chain.filter import Mask
from edge.records import Box


def mask_of(pixels: np.ndarray, seed: int = 0, left: int = 0, top: int = 0) -> Mask:
    severity = np.random.default_rng(seed).uniform(4, 12, pixels.shape).astype(np.float32)
    return Mask(pixels.astype(np.uint8), severity, left, top)


def by_pairs(pixels: np.ndarray, join_px: float) -> set[frozenset[tuple[int, int]]]:
    """Return sets of pixels by the Euclidean distance between every pair of them."""
    places = [(int(y), int(x)) for y, x in np.argwhere(pixels)]
    parent = {place: place for place in places}

    def root(place: tuple[int, int]) -> tuple[int, int]:
        while parent[place] != place:
            place = parent[place]
        return place

    for a, b in itertools.combinations(places, 2):
        dy, dx = a[0] - b[0], a[1] - b[1]
        touching = max(abs(dy), abs(dx)) == 1
        if touching or dy * dy + dx * dx < join_px * join_px:
            parent[root(a)] = root(b)
    sets: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for place in places:
        sets.setdefault(root(place), set()).add(place)
    return {frozenset(some) for some in sets.values()}


def pixel_sets(found: Components) -> list[frozenset[tuple[int, int]]]:
    return [
        frozenset((int(y), int(x)) for y, x in np.argwhere(found.labels == number))
        for number in range(1, len(found.regions) + 1)
    ]


@st.composite
def pictures(draw: st.DrawFn) -> np.ndarray:
    rows, cols = draw(st.integers(1, 26)), draw(st.integers(1, 26))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pixels = rng.random((rows, cols)) < draw(st.sampled_from([0.02, 0.05, 0.1, 0.2, 0.5, 0.9]))
    pixels[rng.integers(rows), rng.integers(cols)] = True
    return pixels


@settings(deadline=None, max_examples=300)
@given(pixels=pictures(), join_px=st.sampled_from([0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.3]))
def test_it_is_every_pair_of_pixels_measured(pixels: np.ndarray, join_px: float) -> None:
    mask = mask_of(pixels, left=30, top=7)
    found = components(mask, join_px)
    sets = pixel_sets(found)
    assert set(sets) == by_pairs(pixels, join_px)
    assert len(sets) == len(set(sets))
    assert found.labels.dtype == np.uint16
    assert (found.left, found.top) == (30, 7)
    assert ((found.labels > 0) == pixels).all()
    for region, places in zip(found.regions, sets, strict=True):
        rows, cols = np.array(sorted(places)).T
        severity = mask.severity[rows, cols]
        assert region.area_px == len(places)
        assert region.box == Box(
            int(cols.min()) + 30, int(rows.min()) + 7, int(cols.max()) + 31, int(rows.max()) + 8
        )
        assert region.peak_severity == float(severity.max())
        assert region.mean_severity == pytest.approx(float(severity.mean()), rel=1e-6)
    peaks = [region.peak_severity for region in found.regions]
    assert peaks == sorted(peaks, reverse=True)


def test_sixty_five_clusters_and_more_are_joined_as_fewer_are() -> None:
    """From 65 clusters on the boxes are not compared first. The result must be the same."""
    for count in (63, 64, 65, 66, 200):
        pixels = np.zeros((8, count * 5), np.bool_)
        pixels[2, ::5] = True  # 5 apart: alone
        assert len(components(mask_of(pixels), 4.0).regions) == count
        pixels[2, 3] = True  # 2 from the second, 3 from the first: three are one
        assert len(components(mask_of(pixels), 4.0).regions) == count - 1
        assert len(components(mask_of(pixels), 0.0).regions) == count + 1


def test_boxes_that_overlap_do_not_join_what_is_apart() -> None:
    """A frame and a spot in its middle: one box inside the other, 10 px between them."""
    pixels = np.zeros((25, 25), np.bool_)
    pixels[[0, -1], :] = pixels[:, [0, -1]] = True
    pixels[12, 12] = True
    assert len(components(mask_of(pixels), 4.0).regions) == 2
    assert len(components(mask_of(pixels), 12.5).regions) == 1


def test_four_joins_over_two_sound_pixels_and_not_over_three() -> None:
    pixels = np.zeros((3, 12), np.bool_)
    pixels[1, [0, 3]] = True
    assert len(components(mask_of(pixels), 4.0).regions) == 1
    pixels[1, [3, 4]] = False, True
    assert len(components(mask_of(pixels), 4.0).regions) == 2


def test_a_chain_is_one_however_its_links_are_numbered() -> None:
    """Each cluster is near to the next one only, so the largest label must pass through all."""
    pixels = np.zeros((4, 200), np.bool_)
    pixels[0, ::6] = True
    pixels[3, 3::6] = True
    assert len(components(mask_of(pixels), 4.5).regions) == 1
    assert len(components(mask_of(pixels.T.copy()), 4.5).regions) == 1


def test_equal_peaks_go_by_top_then_left() -> None:
    pixels = np.zeros((40, 40), np.bool_)
    for y, x in [(30, 5), (10, 30), (10, 5)]:
        pixels[y, x] = True
    flat = Mask(pixels.view(np.uint8), np.full((40, 40), 6, np.float32), 0, 0)
    found = components(flat, 4.0)
    assert [(r.box.top, r.box.left) for r in found.regions] == [(10, 5), (10, 30), (30, 5)]
    again = components(flat, 4.0)
    assert again.regions == found.regions
    assert (again.labels == found.labels).all()


def test_one_full_mask_is_one_region() -> None:
    found = components(mask_of(np.ones((7, 9), np.bool_)), 4.0)
    assert [region.box for region in found.regions] == [Box(0, 0, 9, 7)]


def specks(side: int, step: int) -> np.ndarray:
    pixels = np.zeros((side, side), np.bool_)
    pixels[::step, ::step] = True
    return pixels


@pytest.mark.parametrize(
    "pixels",
    [
        specks(256, 2),  # 16384
        specks(300, 2),  # 22500
        specks(600, 2),  # 90000: more than 16 bits can number
        specks(700, 3),
        np.random.default_rng(0).random((256, 256)) < 0.1,
    ],
    ids=["16384", "22500", "90000", "54756", "noise"],
)
def test_specks_without_number_stay_too_many_regions(pixels: np.ndarray) -> None:
    """Joined, they would be one region, which a classifier could rate as background."""
    mask = mask_of(pixels)
    found = components(mask, 4.0)
    assert len(found.regions) == MAX_REGIONS
    limit = ChainManifest.model_fields["max_regions"].metadata
    assert any(getattr(rule, "le", MAX_REGIONS) < MAX_REGIONS for rule in limit)
    assert int(found.labels.max()) == MAX_REGIONS
    peaks = [region.peak_severity for region in found.regions]
    assert peaks == sorted(peaks, reverse=True)
    assert peaks[0] == float(mask.severity[pixels].max())
    for number in (1, 500, MAX_REGIONS):
        assert (found.labels == number).sum() == found.regions[number - 1].area_px


def test_the_worst_that_is_joined_takes_bounded_time() -> None:
    """A generous bound: 10 ms here and now, 75 ms with a loop over labels in Python."""
    pixels = specks(128, 2)
    assert pixels.sum() == MAX_CLUSTERS
    mask = mask_of(pixels)
    times = []
    for _ in range(5):
        start = time.process_time()
        assert len(components(mask, 4.0).regions) == 1
        times.append(time.process_time() - start)
    assert min(times) < 0.2
