"""Frames of a drawn part, and the recipe of a method that reads them."""

from __future__ import annotations

import numpy as np

from models.training.recipe import Recipe, load_recipe
from tests.models.methods.parts import drawing, play, seen

HEIGHT, WIDTH = 144, 192


def frame(seed: int, defect: str | None = None) -> np.ndarray:
    return seen(drawing(HEIGHT, WIDTH, defect=defect), play(seed), seed=seed)


def recipe(method: str) -> Recipe:
    """Without a classifier; a plate with holes is no plain surface, so the thresholds only have to
    be the same on a station."""
    loaded = load_recipe(method)
    off = loaded.classifier.model_copy(update={"enabled": False})
    few = loaded.threshold.model_copy(
        update={"search_parts": 4, "level": "local", "denoise": "gaussian", "window_px": 31}
    )
    return loaded.model_copy(update={"classifier": off, "threshold": few})
