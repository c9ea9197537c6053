"""Novel regions of good parts, pasted onto other parts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.records import SeverityMap
from models.data.dataset import Pixels, Sample
from models.feedback import appearance_transfer
from models.feedback.appearance_transfer import (
    MOST,
    PASTED_DEFECTS,
    PASTED_REGIONS,
    synthetic_bad_parts,
    training_pictures,
)
from models.feedback.novel_regions import (
    NovelRegion,
    find_novel_regions,
    paste_region,
    paste_regions,
)
from models.training.patches import Picture
from tests.support.marked import pitted, place, ringed, surface

T = 3.0


class Darkness:
    """A detector: severity 6 where a part is much darker than the surface, at every pixel."""

    def detect(self, pixels: Pixels) -> SeverityMap:
        grey = pixels if pixels.ndim == 2 else pixels[:, :, 0]
        return SeverityMap((cv2.blur(grey, (3, 3)) < 105) * np.float32(6), 1.0, 0, 1)


def good(number: int, pixels: Pixels | None = None) -> Picture:
    pixels = ringed(number) if pixels is None else pixels
    sample = Sample(f"ring{number}", Path("a"), f"ring{number}")
    return Picture(sample, pixels, np.zeros(pixels.shape[:2], np.uint8))


def pit(number: int) -> Picture:
    pixels = pitted(number)
    sample = Sample(f"pit{number}", Path("b"), f"pit{number}", kinds=("pit",))
    return Picture(sample, pixels, (pixels < 60).astype(np.uint8) * 2)


def ring_of(pixels: Pixels) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Pixels of a ring's grey: a pit is far darker, the surface far brighter."""
    return np.asarray((pixels > 40) & (pixels < 95), np.bool_)


def test_what_is_reported_on_a_good_part_is_what_is_new() -> None:
    (found,) = find_novel_regions(Darkness(), [good(1), good(2, surface(2))], T)
    assert found.source == "ring1"
    x, y = place(1)
    high, wide = found.mask.shape
    assert found.left < x - 9 < x + 9 < found.left + wide
    assert found.top < y - 9 < y + 9 < found.top + high
    np.testing.assert_array_equal(
        found.pixels, ringed(1)[found.top : found.top + high, found.left : found.left + wide]
    )
    assert found.mask[ring_of(found.pixels)].all()
    assert 0 < found.mask.mean() < 1


def test_what_is_nearly_everywhere_is_no_novelty() -> None:
    """Other light, which can be laid on nothing."""
    dark = (surface(1) * 0.6).astype(np.uint8)
    assert find_novel_regions(Darkness(), [good(1, dark)], T) == ()


def test_it_is_laid_on_and_the_defect_stays() -> None:
    (region,) = find_novel_regions(Darkness(), [good(1)], T)
    places = set()
    for seed in range(40):
        picture = pit(3)
        found = paste_region(picture, region, np.random.default_rng(seed))
        assert found.kind_map is picture.kind_map
        changed = (found.pixels.astype(int) - picture.pixels).__abs__() > 25
        assert ring_of(found.pixels).sum() > 0.5 * ring_of(ringed(1)).sum()
        rows, cols = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        assert rows[-1] - rows[0] < 32
        assert cols[-1] - cols[0] < 32
        places.add((int(rows[0]), int(cols[0])))
        # What the pit covers stays as dark as it was, under the ring too.
        assert found.pixels[picture.kind_map > 0].max() < 80
        np.testing.assert_array_equal(picture.pixels, pitted(3))
    assert len(places) > 20
    in_place = sum(abs(row - (place(1)[1] - 11)) < 4 for row, _ in places)
    assert in_place >= 1


def test_colour_is_laid_on_colour_alone() -> None:
    colour = good(1, np.repeat(ringed(1)[:, :, None], 3, 2))
    (region,) = find_novel_regions(Darkness(), [colour], T)
    assert region.pixels.shape[2:] == (3,)
    other = good(2, np.repeat(surface(2)[:, :, None], 3, 2))
    (found,) = paste_regions([other], [region], 1, 0)
    assert ring_of(found.pixels[:, :, 1]).sum() > 50
    assert paste_regions([pit(3)], [region], 1, 0) == ()


def test_a_picture_that_is_too_small_is_left_out() -> None:
    (region,) = find_novel_regions(Darkness(), [good(1)], T)
    small = good(2, surface(2)[:20, :20])
    assert paste_regions([small], [region], 3, 0) == ()
    assert paste_regions([], [region], 3, 0) == ()
    assert paste_regions([pit(3)], [], 3, 0) == ()


def test_the_names_state_both_sources_and_the_result_is_deterministic() -> None:
    novel_regions = find_novel_regions(Darkness(), [good(1), good(2)], T)
    found = paste_regions([pit(3), pit(4)], novel_regions, 8, 7)
    names = [picture.sample.name for picture in found]
    assert len(set(names)) == 8
    assert {name.split(" with ")[0] for name in names} == {"pit3", "pit4"}
    assert {name.split(" region of ")[1].split(",")[0] for name in names} == {"ring1", "ring2"}
    for one, again in zip(found, paste_regions([pit(3), pit(4)], novel_regions, 8, 7), strict=True):
        np.testing.assert_array_equal(one.pixels, again.pixels)


def test_bad_parts_with_the_new_appearance() -> None:
    novel_regions = find_novel_regions(Darkness(), [good(1)], T)
    donors = [pit(number) for number in range(3, 6)]
    pasted = synthetic_bad_parts(donors, [good(1)], novel_regions, 0)
    assert len(pasted) == PASTED_REGIONS * 3
    assert all("new region of ring1" in picture.sample.name for picture in pasted)
    everywhere = synthetic_bad_parts(donors, [good(1), good(2)], (), 0)
    assert len(everywhere) == 3
    assert all(picture.kind_map.any() for picture in (*pasted, *everywhere))
    assert len(synthetic_bad_parts(donors * MOST, [good(1)], novel_regions, 0)) == MOST


def test_large_pictures_are_made_in_smaller_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    novel_regions = find_novel_regions(Darkness(), [good(1)], T)
    monkeypatch.setattr(appearance_transfer, "MOST_BYTES", 3 * pit(3).pixels.nbytes)
    assert len(synthetic_bad_parts([pit(3), pit(4)], [good(1)], novel_regions, 0)) == 3
    assert len(synthetic_bad_parts([pit(3)] * 5, [good(1)], (), 0)) == 3
    monkeypatch.setattr(appearance_transfer, "MOST_BYTES", 1)
    assert len(synthetic_bad_parts([pit(3), pit(4)], [good(1)], novel_regions, 0)) == 1


@pytest.mark.parametrize("marked", [1, 3])
def test_what_is_learned_from_beside_the_training_pictures(marked: int) -> None:
    fresh = [good(number) for number in range(marked)]
    novel_regions: tuple[NovelRegion, ...] = find_novel_regions(Darkness(), fresh, T)
    train = [pit(number) for number in range(20, 26)] + [good(9, surface(9))] * 6
    found = training_pictures(train, fresh, novel_regions, 0)
    plain = [picture for picture in found if picture.sample.name in {p.sample.name for p in fresh}]
    assert len(plain) == 12 // marked // 2 * marked
    synthetic = [picture for picture in found if "with the defect of" in picture.sample.name]
    pasted = [picture for picture in found if "with the new region of" in picture.sample.name]
    assert (len(synthetic), len(pasted)) == (PASTED_DEFECTS * marked, PASTED_REGIONS * 12)
    assert {picture.sample.is_good for picture in pasted} == {True, False}
    assert len(found) == len(plain) + len(synthetic) + len(pasted)
    assert training_pictures(train, [], novel_regions, 0) == ()
