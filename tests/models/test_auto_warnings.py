"""Warnings of the automatic choice on faults of the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from models.data.groups import by_pattern
from models.training import auto
from tests.support.recipe_choices import BASE, choose, dataset_of, picture, some, warnings

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT / "../shared/data"


@pytest.fixture(autouse=True)
def _base(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the base recipe of the tests in place of the shipped one."""
    monkeypatch.setattr(auto, "load_recipe", lambda _name: BASE)


def test_warns_of_a_kind_on_one_part() -> None:
    pictures = [*some(), picture("dent1", kind=2, group="x"), picture("dent2", kind=2, group="x")]
    assert "dent is on 1 physical part with masks: it cannot be validated" in warnings(
        choose(pictures)
    )
    held_back = [picture("dent3", kind=2, group="y")]
    assert not [w for w in warnings(choose(pictures, held_back=held_back)) if "dent" in w]


def test_warns_where_no_picture_is_good() -> None:
    assert warnings(choose(some(10, 0))) == [
        "0 of 10 pictures are good: false rejects cannot be measured"
    ]
    assert warnings(choose(some(10, 1))) == []


def test_warns_of_defects_too_thin_or_too_faint() -> None:
    (thin,) = warnings(choose(some(box=(40, 1))))
    assert thin == "crack is 1.0 px wide, less than a cell of 2 px: photograph it larger"
    (faint,) = warnings(choose(some(depth=3)))
    assert faint == "crack is 3.0 grey levels off its surroundings: try other light"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([f"images/part{i:02}_{k}.png" for i in range(9) for k in range(3)], "27 of 27 names"),
        ([f"images/{i:04}-{k}.png" for i in range(9) for k in "ab"], "18 of 18 names"),
        ([f"images/exp{i % 5 + 1}_num_{900 + i}.jpg" for i in range(30)], "one of 5 photographs"),
        ([f"images/{i:04}.png" for i in range(30)], ""),
        ([f"images/img_{i:02}.png" for i in range(30)], ""),
        ([f"images/line2_{i:02}.png" for i in range(30)], ""),
        ([f"images/a{i}_{i % 2}.png" for i in range(30)], ""),
    ],
)
def test_warns_of_names_that_look_like_series(names: list[str], told: str) -> None:
    pictures = [picture(name, None if i % 2 else (20, 9)) for i, name in enumerate(names)]
    found = warnings(choose(pictures))
    assert len(found) == bool(told)
    assert all(told in warning and "groups.csv" in warning for warning in found)
    grouped = [replace(p, sample=replace(p.sample, group=p.sample.name[:-5])) for p in pictures]
    assert warnings(choose(grouped)) == []


def test_the_suggested_pattern_finds_the_parts() -> None:
    names = [f"images/bad/part{i:02}_{k}.png" for i in range(4) for k in (1, 2, 11)]
    pictures = [picture(name) for name in (*names, "images/good/single.v2.png")]
    dataset = by_pattern(dataset_of(pictures), auto.BY_LAST)
    assert {s.group for s in dataset.samples} == {f"part{i:02}" for i in range(4)} | {"single.v2"}
    assert f"--groups '{auto.BY_LAST}'" in warnings(choose(pictures))[-1]
