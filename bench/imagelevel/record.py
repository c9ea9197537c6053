"""The record of a comparison, which imagelevel.json contains."""

from __future__ import annotations

import platform
from importlib.metadata import version

from pydantic import BaseModel, ConfigDict

from bench.imagelevel.scores import Score
from bench.imagelevel.settings import ImageLevelSettings, Method
from edge import __version__


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageLevelSide(_Part):
    """One side of the split. pictures: their number by class. groups: physical parts."""

    pictures: dict[str, int]
    names: tuple[str, ...]
    groups: tuple[str, ...]


class ImageLevelRun(_Part):
    """One method at one feature dimension with one seed, on the validation pictures.

    confusion: pictures by true class (row) and assigned class (column). train_s: CPU seconds of one
    core from the training pictures in memory to the trained method, features included.
    ms_per_picture: CPU milliseconds of one core from a decoded picture to its label, one picture
    at a time, median.
    """

    method: Method
    dimension: int
    seed: int
    score: Score
    confusion: tuple[tuple[int, ...], ...]
    train_s: float
    ms_per_picture: float


class ImageLevelComparison(_Part):
    """All figures of a comparison.

    trained_on: pictures for each seed, after balancing. always_good: the score of the class good
    for every picture.
    """

    data: str
    layout: str
    settings: ImageLevelSettings
    versions: dict[str, str]
    classes: tuple[str, ...]
    channels: int
    train: ImageLevelSide
    validation: ImageLevelSide
    unmasked: tuple[str, ...]
    trained_on: int
    dimensions: tuple[int, ...]
    dimensions_left_out: tuple[int, ...]
    always_good: Score
    runs: tuple[ImageLevelRun, ...]

    def at(self, method: Method, dimension: int) -> tuple[ImageLevelRun, ...]:
        """Return the runs of one method at one dimension, by seed."""
        return tuple(r for r in self.runs if (r.method, r.dimension) == (method, dimension))


def versions() -> dict[str, str]:
    """Return the versions of the libraries and of the system, on which the figures depend."""
    names = ("numpy", "opencv-python-headless", "scikit-learn", "torch", "matplotlib")
    known = {"outfeed": __version__, "python": platform.python_version()}
    return {**known, **{name: version(name) for name in names}, "platform": platform.platform()}
