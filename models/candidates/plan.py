"""The choice of the methods to compare on a data set, by counts alone: no picture is read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.bundle.kinds import DetectorKind
from edge.errors import UsageError
from models.candidates.record import LeftOut
from models.data.dataset import DataSet
from models.data.split import split
from models.evaluation.threshold import LEAST_MARKED
from models.ladder.record import BudgetRecord
from models.methods.registry import METHODS
from models.training import auto
from models.training.recipe import RECIPES, Recipe, SplitRecipe, load_recipe

FEW_DRAWN = auto.FEW_DEFECTIVE  # training pictures; with fewer, regression learns too little
# Defective pictures on each side, with or without a mask. With fewer, no decision is learned.
FEW_MARKED, FEW_MARKED_HELD_BACK = 20, LEAST_MARKED
DECISION = "lean-decision"


@dataclass(frozen=True, slots=True)
class Plan:
    """The candidates to train.

    recipes: by the method's name; None where the recipe is chosen from the data. reason: one line
    on why several methods are compared. divides_marked: divide defective pictures without a mask
    for every candidate, because one of them learns from these. budget: the time budget, with the
    network of regression; None without one. too_slow: the candidates that do not fit
    it.
    """

    recipes: dict[DetectorKind, Recipe | None]
    reason: str
    divides_marked: bool = False
    budget: BudgetRecord | None = None
    too_slow: tuple[LeftOut, ...] = ()


def within_budget(plan: Plan, budget: BudgetRecord) -> Plan:
    """Return the plan without the candidates that were timed and do not fit.

    Raises UsageError where none is left.
    """
    slow = {
        each.network: each.needs_ms for each in budget.methods if not budget.fits(each.needs_ms)
    }
    recipes = {name: recipe for name, recipe in plan.recipes.items() if name not in slow}
    if not recipes:
        least = min(slow, key=lambda name: slow[name])
        raise UsageError(
            f"budget {budget.budget_ms:g} ms: no method fits; the fastest, {least}, needs "
            f"{slow[least]:.3g} ms"
        )
    left_out = tuple(
        LeftOut(method=name, reason=budget.too_slow(slow[name]))
        for name in plan.recipes
        if name in slow
    )
    return replace(plan, recipes=recipes, budget=budget, too_slow=left_out)


def plan_for(dataset: DataSet, settings: SplitRecipe, max_false_rejects: float) -> Plan | None:
    """Return the candidates, all with the same division of the data.

    None where enough defects are annotated for regression, or where no other method could learn.

    settings: the division, from ``auto.choose_split``. max_false_rejects: share of the held-back
    good parts, 0 to 1, within which every candidate decides.
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
    marked = split(dataset, settings.validation_share, settings.seed, with_unmasked=True)
    to_learn, to_judge = (
        sum(not sample.is_good for sample in side) for side in (marked.train, marked.validation)
    )
    undrawn = bool(divided.unmasked)
    if undrawn and to_learn >= FEW_MARKED and to_judge >= FEW_MARKED_HELD_BACK:
        recipes["regression"] = _deciding(settings, max_false_rejects)
        reason = (
            f"{to_learn} training and {to_judge} validation pictures are marked defective; only "
            f"{drawn} and {held_back} of them have a drawn defect, so methods that learn from good "
            f"parts are compared with the decision head of {DECISION}, which learns from marks"
        )
        return Plan(recipes, reason, divides_marked=True)
    regression = drawn > 0 and held_back > 0
    if regression:
        recipes["regression"] = None
    reason = f"{drawn} training and {held_back} validation pictures have a drawn defect; regression"
    reason += (
        f" needs {FEW_DRAWN} or more, so methods that learn from good parts are compared with it"
        if regression
        else " needs some of both, so only methods that learn from good parts remain"
    )
    return Plan(recipes, reason)


def good_only() -> tuple[DetectorKind, ...]:
    """Return the methods that need no drawn defect and have a recipe of the same name.

    Methods that are used by name only are left out: references, which are large and slow, and the
    autoencoder (decision 59).
    """
    return tuple(
        name
        for name, method in METHODS.items()
        if method.good_only and not method.by_name and (RECIPES / f"{name}.toml").is_file()
    )


def _deciding(settings: SplitRecipe, max_false_rejects: float) -> Recipe:
    return _as_candidate(load_recipe(DECISION), settings, max_false_rejects)


def _as_candidate(recipe: Recipe, settings: SplitRecipe, max_false_rejects: float) -> Recipe:
    """Return the recipe without a classifier, which a few defects cannot train."""
    off = recipe.classifier.model_copy(update={"enabled": False})
    changed = recipe.model_copy(update={"split": settings, "classifier": off})
    return changed.within(max_false_rejects)
