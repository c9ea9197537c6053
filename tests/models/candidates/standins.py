"""Methods that learn in no time, and pictures for them: shared by tests of candidates."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from models.data.dataset import DataError
from models.methods.base import Method, TrainedMethod, TrainingTask, severity_unit
from models.methods.registry import METHODS
from models.networks import DetectorNetwork, normalise
from models.training.recipe import RECIPES, Recipe

SIDE_PX = 64


class Apart(DetectorNetwork):
    """Severity is the distance of a pixel from the mean of good parts.

    With ``blind`` it is how much brighter the pixel is, so that no pit is found.
    """

    stride_px = 1
    multiple_px = 1

    def __init__(self, *, blind: bool) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("unit", torch.ones(()))
        self._blind = blind

    def raw(self, x: Tensor) -> Tensor:
        apart = x.mean(1, keepdim=True) - self.mean
        return (apart.relu() if self._blind else apart.abs()) / self.unit


def method(*, blind: bool = False, trained: Callable[[], None] = lambda: None) -> Method:
    """A network method; trained is called at each training."""

    def train(task: TrainingTask) -> TrainedMethod:
        trained()
        network = Apart(blind=blind)
        planes = [torch.from_numpy(p.pixels.reshape(SIDE_PX, SIDE_PX, -1)) for p in task.good]
        seen = normalise(torch.stack(planes).permute(0, 3, 1, 2))
        network.mean.copy_(seen.mean())
        held = [
            torch.from_numpy(p.pixels.reshape(SIDE_PX, SIDE_PX, -1)) for p in task.good_held_back
        ]
        raw = network.raw(normalise(torch.stack(held).permute(0, 3, 1, 2)))
        network.unit.copy_(torch.tensor(severity_unit(raw.amax((1, 2, 3)).tolist())))
        return TrainedMethod(network.eval())

    def build(_recipe: Recipe, _channels: int) -> DetectorNetwork:
        return Apart(blind=blind)

    return Method(train=train, build=build, good_only=True)


def refusing() -> Method:
    """A method that finds while it learns that it cannot."""

    def train(_: TrainingTask) -> TrainedMethod:
        raise DataError("the pictures are of different sizes; expected one size")

    return Method(train=train, build=method().build, good_only=True)


def register(monkeypatch: pytest.MonkeyPatch, folder: Path, methods: dict[str, Method]) -> None:
    """These beside regression, and no others; their recipes lie in the folder."""
    for name in [name for name in METHODS if name != "regression"]:
        monkeypatch.delitem(METHODS, name)
    shutil.copytree(RECIPES, folder)
    for name, some in methods.items():
        monkeypatch.setitem(METHODS, name, some)  # type: ignore[arg-type]
        (folder / f"{name}.toml").write_text(f'name = "{name}"\nmethod = "{name}"\n')
    for module in ("models.training.recipe", "models.candidates.plan"):
        monkeypatch.setattr(f"{module}.RECIPES", folder)


def write_sorted(folder: Path, good: int, bad: int, masks: int = 0) -> Path:
    """Even grey with noise; the bad ones with a dark pit, the first of them drawn."""
    rng = np.random.default_rng(5)
    for number in range(good + bad):
        image = rng.normal(128, 3, (SIDE_PX, SIDE_PX)).clip(0, 255).astype(np.uint8)
        kind = "pit" if number >= good else "good"
        if kind == "pit":
            mask = np.zeros_like(image)
            centre = rng.integers(12, SIDE_PX - 12, 2).tolist()
            cv2.circle(mask, centre, 5, 255, -1)
            image[mask > 0] = 90
            if number < good + masks:
                _write(folder / f"masks/pit/{number:03}.png", mask)
        _write(folder / kind / f"{number:03}.png", image)
    return folder


def _write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)
