"""The search for the reject severity, and its use in a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.evaluation.metrics import summarise
from models.evaluation.reject_severity import (
    WorstDefect,
    search_balanced_severity,
    search_reject_severity,
)
from models.evaluation.tradeoff.sweep import GRID, sweep_run
from models.runs.run import Run
from models.training.recipe import Recipe
from models.training.session import train_folder
from tests.support.tinyrun import RECIPE, write_pictures


def parts(good: list[float], bad: list[float]) -> list[WorstDefect]:
    return [WorstDefect(False, each) for each in good] + [WorstDefect(True, each) for each in bad]


def test_it_lies_between_good_and_defective_parts_and_nearer_to_the_good_ones() -> None:
    found = search_balanced_severity(parts([0.0, 2.0, 4.0], [10.0, 11.0]), 2.0)
    assert found is not None
    assert 4.0 < found < 7.0
    assert found - 4.0 == pytest.approx((10.0 - 4.0) / 3, abs=0.2)


def test_no_limit_where_each_rejects_best() -> None:
    # Every limit above T loses a defective part and no false reject.
    assert search_balanced_severity(parts([0.0, 0.0], [2.0, 9.0]), 2.0) is None


@pytest.mark.parametrize(("good", "bad"), [([], [9.0]), ([3.0], [])])
def test_no_limit_without_both_sides(good: list[float], bad: list[float]) -> None:
    assert search_balanced_severity(parts(good, bad), 2.0) is None


def test_an_escape_weighs_as_much_as_its_share_of_the_defective_parts() -> None:
    # One of four escapes (0.25), or three of ten are false rejects (0.3).
    good = [5.0, 5.0, 5.0] + [0.0] * 7
    assert search_balanced_severity(parts(good, [4.0, 9.0, 9.0, 9.0]), 2.0) == pytest.approx(
        5.1 + (9.0 - 5.1) / 3, abs=0.15
    )
    # Two of ten (0.2) are less than 0.25, so the part of severity 4 is still rejected.
    found = search_balanced_severity(parts([5.0, 5.0] + [0.0] * 8, [4.0, 9.0, 9.0, 9.0]), 2.0)
    assert found is None or found <= 4.0


def test_of_nearly_equal_sums_the_one_with_fewer_escapes_is_taken() -> None:
    # One of 200 defective parts (0.005), or one of 100 good ones (0.01): both are within SLACK.
    good, bad = [6.0] + [0.0] * 99, [5.0] + [9.0] * 199
    found = search_balanced_severity(parts(good, bad), 2.0)
    assert found is not None
    assert found <= 5.0


def test_within_a_limit_it_has_the_fewest_escapes() -> None:
    """Good parts reach 5, 6 and 8, defective ones 4, 7, 9 and 10."""
    some = parts([5.0, 6.0, 8.0] + [0.0] * 7, [4.0, 7.0, 9.0, 10.0])
    assert search_reject_severity(some, 2.0, 0) == pytest.approx(8.1 + (9.0 - 8.1) / 3, abs=0.1)
    assert search_reject_severity(some, 2.0, 1) == pytest.approx(6.1 + (7.0 - 6.1) / 3, abs=0.1)
    assert search_reject_severity(some, 2.0, 3) == pytest.approx(2.0 + (4.0 - 2.0) / 3, abs=0.1)
    assert search_reject_severity(parts([1.0], [2.0]), 2.0, 0) is None
    # Two good parts may be rejected, but between 4 and 7 one is enough for the same escapes.
    assert search_reject_severity(some, 2.0, 2) == search_reject_severity(some, 2.0, 1)


def test_within_a_limit_and_without_a_defective_part_it_is_the_lowest() -> None:
    assert search_reject_severity(parts([3.0, 5.0], []), 2.0, 1) == pytest.approx(3.1)
    assert search_reject_severity(parts([], [9.0]), 2.0, 0) is None


def test_where_no_severity_is_within_the_limit_it_is_the_highest() -> None:
    assert search_reject_severity(parts([12.0], [5.0]), 2.0, 0) == pytest.approx(11.9)


def recipe(**changes: Any) -> Recipe:
    content = RECIPE.model_dump(exclude_none=True)
    content["detector"] |= {"steps": 40}
    return Recipe.model_validate({**content, "classifier": {"enabled": False}, **changes})


@pytest.fixture(scope="module")
def searching_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that searched its reject severity. Read-only."""
    folder = tmp_path_factory.mktemp("searching")
    balanced = recipe(chain={"operating_point": "balanced"})
    train_folder(write_pictures(folder / "data"), balanced, folder / "run")
    return folder / "run"


def test_a_run_searches_it_and_its_figures_are_those_of_the_chain_with_it(
    searching_run: Path,
) -> None:
    run = Run(searching_run)
    result = run.result()
    assert result.reject_severity is not None
    assert result.reject_severity > result.threshold
    assert result.chain().reject_severity == result.reject_severity
    assert result.chain(result.threshold + 1).reject_severity is None
    swept = sweep_run(run)
    assert summarise(swept[result.threshold]).as_dict() == pytest.approx(
        result.metrics["float"], nan_ok=True
    )
    assert len(swept) == len({*GRID, result.threshold})


@pytest.mark.parametrize(("wanted", "found"), [(0.0, None), (11.9, 11.9)])
def test_a_recipe_sets_it(tmp_path: Path, wanted: float, found: float | None) -> None:
    chosen = recipe(chain={"reject_severity": wanted})
    result = train_folder(write_pictures(tmp_path / "data", 12), chosen, tmp_path / "run")
    assert result.reject_severity == found
    if found is not None:
        assert result.metrics["float"]["false_rejects"] == 0


@pytest.mark.parametrize("operating_point", ["limit", "balanced"])
def test_a_method_that_decides_by_t_has_none(tmp_path: Path, operating_point: str) -> None:
    chosen = Recipe.model_validate(
        {
            "name": "a",
            "method": "threshold",
            "chain": {"operating_point": operating_point},
            "classifier": {"enabled": False},
        }
    )
    result = train_folder(write_pictures(tmp_path / "data"), chosen, tmp_path / "run")
    assert result.reject_severity is None
    assert (result.promise is None) == (operating_point == "balanced")
