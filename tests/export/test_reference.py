"""What good pictures make of a bundle's reference."""

import numpy as np
import pytest

from bench.drift_line import Line
from edge.drift import streams
from edge.drift.reference import parse_reference
from export.errors import ExportError
from export.reference import reference_of


def test_a_reference_of_good_pictures() -> None:
    line = Line(1)
    pictures = list(line.parts(40))
    found = parse_reference(reference_of(pictures, [0.5] * 20 + [1.5] * 20).data())
    assert found.pictures == 40
    assert found.levels[streams.SCORE] == 1.0
    assert found.levels[streams.BRIGHTNESS] == pytest.approx(
        np.mean([np.log(p.mean() + 1) for p in pictures]), abs=0.01
    )
    assert found.seen() is not None
    assert np.abs(found.levels[streams.POSITION]).max() < 0.1


def test_loose_surfaces_and_no_peaks() -> None:
    found = reference_of(list(Line(1, aligned=False).parts(30)))
    assert found.seen() is None
    assert np.flatnonzero(np.isnan(found.levels)).tolist() == [6, 7, 8]


def test_the_same_pictures_give_the_same_bytes() -> None:
    pictures = list(Line(2).parts(16))
    assert reference_of(pictures).data() == reference_of(pictures).data()


def test_too_little_to_say_anything_by() -> None:
    pictures = list(Line(2).parts(16))
    with pytest.raises(ExportError, match="15 good pictures; a reference for drift needs 16"):
        reference_of(pictures[:15])
    with pytest.raises(ExportError, match="3 peaks of 16 pictures"):
        reference_of(pictures, [1.0, 2.0, 3.0])
