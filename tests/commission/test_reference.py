"""A bundle's golden frames as what a camera's pictures must be like."""

from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from edge.bundle import Bundle, TrainedOn, read_bundle
from edge.commission.reference import (
    picture_reference,
    shape_mismatches,
    unknown_shape_note,
    with_limits,
)
from edge.commission.sharpness import measure_picture
from tests.commission.stations import blurred, lit, tiles
from tests.support.bundles import HOLE, small_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = {"golden/a.png": tiles(seed=1), "golden/b.png": tiles(seed=2), "golden/hole.png": HOLE}
    return small_bundle(tmp_path_factory.mktemp("bundle") / "small.outfeed", frames=frames)


def outside(bundle: Path, pixels: object) -> list[str]:
    reference = picture_reference(read_bundle(bundle))
    figures = with_limits(measure_picture(pixels), reference)  # type: ignore[arg-type]
    return [figure.name for figure in figures if not figure.fits]


def test_the_frames_that_pass_are_the_reference(bundle: Path) -> None:
    reference = picture_reference(read_bundle(bundle))
    assert len(reference.figures) == 2  # not the hole
    assert reference.shows_focus


def test_what_is_within_and_what_is_not(bundle: Path) -> None:
    fine = tiles(seed=3)
    assert outside(bundle, fine) == []
    assert outside(bundle, lit(fine, 1.1)) == []
    assert outside(bundle, blurred(fine, 2)) == ["sharpness"]
    assert outside(bundle, lit(fine, 0.6)) == ["mean"]
    assert outside(bundle, lit(fine, 1.7)) == ["sharpness", "mean", "clipped white"]
    dark = fine.copy()
    dark[:8] = 0
    assert "clipped black" in outside(bundle, dark)


def of_pictures(bundle: Path, *sizes: tuple[int, int], channels: tuple[int, ...] = (1,)) -> Bundle:
    """The bundle, as if trained on pictures of these heights and widths."""
    heights, widths = zip(*sizes, strict=True)
    known = TrainedOn(
        sizes=sizes[:64],
        least=(min(heights), min(widths)),
        greatest=(max(heights), max(widths)),
        channels=channels,  # type: ignore[arg-type]
    )
    read = read_bundle(bundle)
    return replace(read, manifest=read.manifest.model_copy(update={"trained_on": known}))


def test_the_size_of_the_training_pictures_counts_and_not_that_of_the_golden_frames(
    bundle: Path,
) -> None:
    reference = picture_reference(of_pictures(bundle, (200, 200), (480, 640)))
    assert shape_mismatches(reference, [tiles(size=(200, 200)), tiles(size=(480, 640))]) == []
    (fault,) = shape_mismatches(reference, [tiles(size=(200, 200)), tiles()])
    assert fault.what == "pictures of 128×96 px, the bundle was trained on 200×200 or 640×480"
    assert fault.remedy.startswith("set [camera] width and height to 200×200")
    assert unknown_shape_note(reference, [tiles()]) is None


def test_each_size_and_each_kind_of_colour_is_a_fault_of_its_own(bundle: Path) -> None:
    reference = picture_reference(of_pictures(bundle, (200, 200)))
    colour = cv2.cvtColor(tiles(), cv2.COLOR_GRAY2BGR)
    faults = shape_mismatches(reference, [tiles(), colour, tiles(size=(48, 64))])
    assert [fault.what for fault in faults] == [
        "pictures of 64×48 px, the bundle was trained on 200×200",
        "pictures of 128×96 px, the bundle was trained on 200×200",
        "pictures in colour, the bundle was trained on pictures in grey",
    ]
    assert all(fault.remedy for fault in faults)
    both = picture_reference(of_pictures(bundle, (96, 128), channels=(1, 3)))
    assert shape_mismatches(both, [tiles(), colour]) == []


def test_of_more_sizes_than_a_bundle_lists_the_bounds_count(bundle: Path) -> None:
    reference = picture_reference(of_pictures(bundle, *((100 + n, 200 + n) for n in range(80))))
    assert shape_mismatches(reference, [tiles(size=(150, 260))]) == []
    (fault,) = shape_mismatches(reference, [tiles(size=(88, 256))])
    assert fault.what == "pictures of 256×88 px, the bundle was trained on 200×100 to 279×179"


def test_an_older_bundle_does_not_carry_them_which_is_a_note(bundle: Path) -> None:
    reference = picture_reference(read_bundle(bundle))
    assert shape_mismatches(reference, [tiles(size=(48, 64))]) == []
    note = unknown_shape_note(reference, [tiles(size=(48, 64))])
    assert note is not None
    assert "pictures of 64×48 px in grey: the bundle does not carry the size" in note


def test_flat_golden_frames_say_nothing_of_focus(tmp_path: Path) -> None:
    reference = picture_reference(read_bundle(small_bundle(tmp_path / "flat.outfeed")))
    assert not reference.shows_focus
    assert with_limits(measure_picture(tiles()), reference)[0].low is None
