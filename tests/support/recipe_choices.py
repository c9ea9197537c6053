"""Pictures from which a recipe is chosen, and the choice for them (models/training/auto.py)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.data.dataset import DataSet, Sample
from models.data.split import Split
from models.training.auto import RecipeChoice, choose_recipe
from models.training.patches import Picture
from models.training.recipe import Recipe

# A base recipe for tests: the shipped one is tuned from time to time.
BASE = Recipe.model_validate(
    {
        "name": "base",
        "labels": {"floor": 5.0},
        "augment": {"noise_sigma": 6.0, "shift_px": 96, "zoom": 0.2},
        "detector": {"steps": 2000, "batch": 16},
        "classifier": {"steps": 1500, "batch": 64},
    }
)


def picture(
    name: str,
    box: tuple[int, int] | None = (20, 9),
    *,
    size: tuple[int, int] = (231, 200),
    kind: int = 1,
    depth: int = 60,
    group: str = "",
) -> Picture:
    """Return an even grey picture of width × height, with a darker box as its defect."""
    width, height = size
    pixels = np.full((height, width), 128, np.uint8)
    kind_map = np.zeros_like(pixels)
    if box is not None:
        kind_map[10 : 10 + box[1], 10 : 10 + box[0]] = kind
        pixels[kind_map > 0] -= depth
    kinds = ("crack", "dent")[kind - 1 : kind] if box else ()
    return Picture(Sample(name, Path(name), group or name, kinds), pixels, kind_map)


def some(bad: int = 10, good: int = 30, **changes: object) -> list[Picture]:
    """Return defective and good pictures. changes: arguments of ``picture``."""
    defective = [picture(f"bad{i:03}.png", **changes) for i in range(bad)]  # type: ignore[arg-type]
    changes["box"] = None
    return defective + [picture(f"good{i:03}.png", **changes) for i in range(good)]  # type: ignore[arg-type]


def dataset_of(pictures: Sequence[Picture], channels: int = 1) -> DataSet:
    samples = tuple(p.sample for p in pictures)
    kinds = tuple(sorted({kind for sample in samples for kind in sample.kinds}))
    return DataSet(Path("data"), "generic", kinds, channels, samples)


def choose(
    pictures: Sequence[Picture], channels: int = 1, held_back: Sequence[Picture] = ()
) -> RecipeChoice:
    dataset = dataset_of((*pictures, *held_back), channels)
    divided = Split(tuple(p.sample for p in pictures), tuple(p.sample for p in held_back))
    return choose_recipe(dataset, divided, tuple(pictures))


def why(choice: RecipeChoice, key: str) -> str:
    """Return the only reason for a key, as text."""
    (reason,) = (str(reason) for reason in choice.reasons if reason.key == key)
    return reason


def warnings(choice: RecipeChoice) -> list[str]:
    return [reason.fact for reason in choice.reasons if reason.key == "warning"]
