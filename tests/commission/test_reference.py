"""A bundle's golden frames as what a camera's pictures must be like."""

from pathlib import Path

import cv2
import pytest

from edge.bundle import read_bundle
from edge.commission.picture import measure_picture
from edge.commission.reference import limited, reference_of, shape_fault
from tests.bundles import HOLE, small_bundle
from tests.commission.pictures import blurred, lit, tiles


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = {"golden/a.png": tiles(seed=1), "golden/b.png": tiles(seed=2), "golden/hole.png": HOLE}
    return small_bundle(tmp_path_factory.mktemp("bundle") / "small.outfeed", frames=frames)


def outside(bundle: Path, pixels: object) -> list[str]:
    reference = reference_of(read_bundle(bundle))
    figures = limited(measure_picture(pixels), reference)  # type: ignore[arg-type]
    return [figure.name for figure in figures if not figure.fits]


def test_the_frames_that_pass_are_the_reference(bundle: Path) -> None:
    reference = reference_of(read_bundle(bundle))
    assert len(reference.figures) == 2  # not the hole
    assert reference.shows_focus
    assert (reference.sizes, reference.channels) == ({(96, 128)}, {1})


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


def test_size_and_channels(bundle: Path) -> None:
    reference = reference_of(read_bundle(bundle))
    assert shape_fault(reference, [tiles()]) is None
    said = shape_fault(reference, [tiles(), tiles(size=(48, 64))])
    assert said == "pictures of 64×48 px, the bundle's are 128×96"
    colour = cv2.cvtColor(tiles(), cv2.COLOR_GRAY2BGR)
    assert shape_fault(reference, [colour]) == "pictures in colour, the bundle's are not"


def test_flat_golden_frames_say_nothing_of_focus(tmp_path: Path) -> None:
    reference = reference_of(read_bundle(small_bundle(tmp_path / "flat.outfeed")))
    assert not reference.shows_focus
    assert limited(measure_picture(tiles()), reference)[0].low is None
