"""The outlines of defects: few points, inside the frame, around the right pixels."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.chain.components import Components, components
from edge.chain.filter import Mask
from edge.chain.outline import MAX_OUTLINED, MAX_POINTS, MAX_POLYGONS, with_outlines
from edge.records import Defect


def regions(
    pixels: NDArray[np.uint8], left: int = 0, top: int = 0, join_px: float = 4
) -> Components:
    severity = pixels.astype(np.float32) * 8 / max(1, int(pixels.max()))
    return components(Mask(pixels, severity, left, top), join_px)


def outlined(clusters: Components) -> tuple[Defect, ...]:
    defects = [Defect(region, "hole", 1.0) for region in clusters.regions]
    return with_outlines(defects, clusters, range(1, len(defects) + 1))


def drawn(defect: Defect, height: int, width: int) -> NDArray[np.uint8]:
    mask = np.zeros((height, width), np.uint8)
    for polygon in defect.outline:
        cv2.fillPoly(mask, [np.asarray(polygon, np.int32)], 255)
    return mask


def overlap(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(((one > 0) & (other > 0)).sum() / ((one > 0) | (other > 0)).sum())


def test_a_disc_and_a_rectangle_in_pixels_of_the_frame() -> None:
    pixels = np.zeros((100, 200), np.uint8)
    cv2.circle(pixels, (40, 50), 20, 255, -1)
    cv2.rectangle(pixels, (120, 30), (160, 60), 255, -1)
    defects = outlined(regions(pixels, left=300, top=1000))
    whole = np.zeros((1100, 500), np.uint8)
    whole[1000:, 300:] = pixels
    assert len(defects) == 2
    for defect in defects:
        assert len(defect.outline) == 1
        box = defect.region.box
        own = np.zeros_like(whole)
        own[box.top : box.bottom, box.left : box.right] = whole[
            box.top : box.bottom, box.left : box.right
        ]
        assert overlap(drawn(defect, 1100, 500), own) > 0.93
    corners = {defect.outline[0] for defect in defects if len(defect.outline[0]) == 4}
    assert {frozenset(each) for each in corners} == {
        frozenset({(420, 1030), (460, 1030), (460, 1060), (420, 1060)})
    }


def test_a_region_of_two_clusters_has_two_polygons() -> None:
    pixels = np.zeros((40, 60), np.uint8)
    pixels[10:20, 10:20] = 255
    pixels[10:15, 22:30] = 255
    (defect,) = outlined(regions(pixels))
    assert len(defect.outline) == 2
    assert defect.outline[0][0] == (10, 10)  # the larger one comes first


def test_single_pixels_and_more_than_the_limits() -> None:
    pixels = np.zeros((64, 400), np.uint8)
    pixels[4:60:12, 4:396:12] = 255
    defects = outlined(regions(pixels, join_px=0))
    assert len(defects) > MAX_OUTLINED
    assert all(len(defect.outline) == 1 for defect in defects[:MAX_OUTLINED])
    assert all(defect.outline == () for defect in defects[MAX_OUTLINED:])
    assert defects[0].outline == (((4, 4),),)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), join=st.sampled_from([0.0, 4.0, 9.0]))
def test_any_region_has_few_points_that_lie_in_its_box(seed: int, join: float) -> None:
    noise = np.random.default_rng(seed).random((40, 50), np.float32)
    pixels = np.where(cv2.GaussianBlur(noise, (7, 7), 0) > 0.52, 255, 0).astype(np.uint8)
    if not pixels.any():
        return
    clusters = regions(pixels, join_px=join)
    first, second = outlined(clusters), outlined(clusters)
    assert first == second
    for defect in first[:MAX_OUTLINED]:
        box = defect.region.box
        assert 1 <= len(defect.outline) <= MAX_POLYGONS
        for polygon in defect.outline:
            assert 1 <= len(polygon) <= MAX_POINTS
            for x, y in polygon:
                assert box.left <= x < box.right
                assert box.top <= y < box.bottom


def test_without_a_defect_there_is_nothing_to_do() -> None:
    pixels = np.zeros((8, 8), np.uint8)
    pixels[1, 1] = 255
    assert with_outlines([], regions(pixels), []) == ()
