"""The ladder: its rungs have networks and recipes, and each costs more than the one below."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from models.ladder.rungs import LADDER, LARGEST, find_rung, with_network
from models.networks import build_detector, mmac
from models.training.recipe import Recipe, load_recipe


def test_each_rung_has_a_recipe_of_its_name_and_costs_more_than_the_one_below() -> None:
    costs = []
    for rung in LADDER:
        recipe = load_recipe(rung.network)
        assert (recipe.name, recipe.detector.network) == (rung.network, rung.network)
        costs.append(mmac(build_detector(rung.network, 1, 2)))
    assert costs == sorted(costs)
    assert costs[-1] == pytest.approx(2 * costs[-2], rel=0.1), "about twice the time of large"
    assert LADDER[-1] is LARGEST


def test_a_network_outside_the_ladder_has_no_rung() -> None:
    assert find_rung("lean") is LADDER[1]
    assert find_rung("paper") is None


def test_a_recipe_changes_its_network_and_keeps_its_other_settings() -> None:
    lean = load_recipe("lean")
    large = with_network(lean, "large")
    assert large.detector.network == "large"
    assert large.detector.steps == lean.detector.steps
    paper = Recipe.model_validate({"name": "p", "detector": {"network": "paper", "resolution": 4}})
    changed = with_network(paper, "nano").detector
    assert (changed.network, changed.resolution, changed.start) == ("nano", 2, "imagenet")
