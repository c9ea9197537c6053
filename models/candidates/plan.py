"""Which methods can be tried on a data set, told by counts alone: no picture is read."""

from __future__ import annotations

from dataclasses import dataclass

from edge.bundle.manifest import DetectorKind
from models.data.dataset import DataSet
from models.data.split import split
from models.methods.registry import METHODS
from models.training import auto
from models.training.recipe import RECIPES, Recipe, SplitRecipe, load_recipe

FEW_DRAWN = auto.FEW_DEFECTIVE  # training pictures: below, regression has little to learn from


@dataclass(frozen=True, slots=True)
class Plan:
    """recipes: by the method's name, None where one is chosen from the data. reason: why there is
    more than one candidate, in one line."""

    recipes: dict[DetectorKind, Recipe | None]
    reason: str


def plan_for(dataset: DataSet, settings: SplitRecipe, max_false_rejects: float) -> Plan | None:
    """The candidates, all with one division of the data; None where regression has enough to learn
    from, or where nothing else could learn.

    settings: of every candidate, from ``auto.choose_split``. max_false_rejects: a share of the
    held-back good parts, within which the T of those stays that learn from good parts.
    """
    divided = split(dataset, settings.validation_share, settings.seed)
    drawn, held_back = (
        sum(bool(sample.masks) for sample in side) for side in (divided.train, divided.validation)
    )
    enough = drawn >= FEW_DRAWN and held_back > 0
    names = good_only()
    if enough or not names or not any(sample.is_good for sample in dataset.samples):
        return None
    recipes: dict[DetectorKind, Recipe | None] = {
        name: _as_candidate(load_recipe(name), settings, max_false_rejects) for name in names
    }
    regression = drawn > 0 and held_back > 0
    if regression:
        recipes["regression"] = None
    told = f"{drawn} training and {held_back} validation pictures carry a drawn defect; regression"
    told += (
        f" learns from {FEW_DRAWN} or more, so methods that learn from good parts stand beside it"
        if regression
        else " takes some of both, so only methods that learn from good parts are left"
    )
    return Plan(recipes, told)


def good_only() -> tuple[DetectorKind, ...]:
    """The methods that need no drawn defect and have a recipe of their own name."""
    return tuple(
        name
        for name, method in METHODS.items()
        if method.good_only and (RECIPES / f"{name}.toml").is_file()
    )


def _as_candidate(recipe: Recipe, settings: SplitRecipe, max_false_rejects: float) -> Recipe:
    """Without a classifier, which a handful of defects cannot train, and with a T from good parts:
    by the mean IoU of a few defects it would throw any number of good parts away."""
    chain = recipe.chain.model_copy(
        update={"max_false_rejects": max_false_rejects, "threshold": None}
    )
    off = recipe.classifier.model_copy(update={"enabled": False})
    return recipe.model_copy(update={"split": settings, "chain": chain, "classifier": off})
