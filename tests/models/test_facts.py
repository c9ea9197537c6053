"""Measurements of a data set, on which the choice of a recipe rests."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from models.data import facts
from models.data.facts import measure
from models.data.split import Split
from models.training import auto
from tests.support.recipe_choices import BASE, dataset_of, picture, some

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT / "../shared/data"


@pytest.fixture(autouse=True)
def _base(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the base recipe of the tests in place of the shipped one."""
    monkeypatch.setattr(auto, "load_recipe", lambda _name: BASE)


def test_facts_of_a_kind() -> None:
    pictures = (*some(8, group="one"), *some(2, group="two", box=(90, 3)), picture("z", None))
    dataset = dataset_of(pictures)
    divided = Split(dataset.samples, ())
    facts = measure(dataset, divided, pictures)
    assert (facts.training, facts.defective, facts.channels) == (71, 10, 1)
    assert (facts.height_px, facts.width_px, facts.short_px) == (200, 231, 200)
    (crack,) = facts.kinds
    assert (crack.name, crack.pictures, crack.parts, crack.defects) == ("crack", 10, 2, 10)
    assert crack.area_px == 180
    assert crack.width_px == pytest.approx(9, abs=0.1)
    assert crack.contrast == 60
    assert crack.long_px == 90
    with pytest.raises(ValueError, match="no training picture"):
        measure(dataset, divided, ())


def test_many_pictures_of_a_kind_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "MOST_MEASURED", 4)
    pictures = tuple(some(10))
    dataset = dataset_of(pictures)
    (crack,) = measure(dataset, Split(dataset.samples, ()), pictures).kinds
    assert (crack.pictures, crack.defects) == (10, 4)
