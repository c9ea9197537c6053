"""The rungs of the ladder, in the order of their time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.training.recipe import Recipe, load_recipe

Network = Literal["nano", "lean", "large", "extra-large"]


@dataclass(frozen=True, slots=True)
class Rung:
    """One size of the detector.

    network: its name, which is also that of its recipe. purpose: the kind of computer, in words.
    """

    network: Network
    purpose: str


LADDER = (
    Rung("nano", "a Pi Zero 2, or a very fast line"),
    Rung("lean", "a Raspberry Pi"),
    Rung("large", "a PC or a Jetson"),
    Rung("extra-large", "a PC"),
)
LARGEST = LADDER[-1]


def find_rung(network: str) -> Rung | None:
    """Return the rung of a network's name; None for a network that is not on the ladder."""
    return next((rung for rung in LADDER if rung.network == network), None)


def with_network(recipe: Recipe, network: str) -> Recipe:
    """Return the recipe with another network of the ladder."""
    changed = {"network": network, "resolution": 2}
    if recipe.detector.network == "paper":
        changed["start"] = load_recipe(network).detector.start
    return recipe.model_copy(update={"detector": recipe.detector.model_copy(update=changed)})
