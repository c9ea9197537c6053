"""A data set that a network learns in seconds, and a run trained on it: shared by tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from models.training.recipe import Recipe

SIDE_PX = 96
RECIPE = Recipe.model_validate(
    {
        "name": "tiny",
        "split": {"validation_share": 0.3},
        "labels": {"truncate": 0.0, "floor": 6.0, "coverage": True, "defect_pixels_only": True},
        "augment": {"rotate_deg": 0.0, "shift_px": 8, "brightness": 4.0, "contrast": 0.05},
        "detector": {
            "network": "lean",
            "start": "imagenet",
            "patch_px": 64,
            "steps": 80,
            "batch": 8,
            "learning_rate": 3e-3,
            "ema": 0.9,
            "precision": "float32",
        },
        "classifier": {"start": "imagenet", "steps": 60, "batch": 16, "ema": 0.9},
        # Every reported defect rejects: the limit is searched in tests of its own.
        "chain": {"reject_severity": 0.0},
        "guidance": {"pit": "clean the mould"},
    }
)


def write_pictures(folder: Path, count: int = 36) -> Path:
    """Even grey with noise; a third carry a black pit, a third a white bar, a third nothing."""
    rng = np.random.default_rng(3)
    (folder / "images").mkdir(parents=True)
    for number in range(count):
        image = rng.normal(128, 3, (SIDE_PX, SIDE_PX)).clip(0, 255).astype(np.uint8)
        kind = ("pit", "bar", "")[number % 3]
        if kind:
            mask = np.zeros_like(image)
            x, y = rng.integers(16, SIDE_PX - 32, 2).tolist()
            if kind == "pit":
                cv2.circle(mask, (x + 8, y + 8), 7, 255, -1)
            else:
                cv2.rectangle(mask, (x, y), (x + 20, y + 5), 255, -1)
            image[mask > 0] = 10 if kind == "pit" else 245
            (folder / "masks" / kind).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / "masks" / kind / f"{number:03d}.png"), mask)
        cv2.imwrite(str(folder / "images" / f"{number:03d}.png"), image)
    return folder
