"""The settings of a comparison."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from edge.validation_messages import describe
from models.data.dataset import DataError

Method: TypeAlias = Literal["svm", "knn", "bp", "mlp", "cnn", "pretrained"]
METHODS: tuple[Method, ...] = get_args(Method)
DIMENSIONS = (8, 16, 32, 64, 128, 256)


class ImageLevelSettings(BaseModel):
    """The options of `python -m bench.imagelevel`. Raises ValidationError outside their limits.

    seeds: number of seeds, from first_seed on; a seed sets copies, features, weights and batches.
    validation_share, split_seed: the split, equal for every seed and method.
    size_px: side to which every picture is resized. denoise_px: side of the median filter before
    that, 0 for none.
    balance: fill every class up to the largest one. copies: times that the largest one is repeated.
    augment: change every training picture at random.
    methods: to compare. dimension: for the main table. dimensions: for the second table.
    neighbours: of KNN. epochs: of BP network and MLP. cnn_steps, activation: of both CNNs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    seeds: int = Field(default=1, ge=1, le=100)
    first_seed: int = Field(default=0, ge=0)
    validation_share: float = Field(default=0.25, gt=0, lt=1)
    split_seed: int = Field(default=0, ge=0)
    size_px: int = Field(default=96, ge=32, le=512, multiple_of=32)
    denoise_px: Literal[0, 3, 5] = 3
    balance: bool = True
    copies: int = Field(default=1, ge=1, le=20)
    augment: bool = True
    methods: tuple[Method, ...] = Field(default=METHODS, min_length=1)
    dimension: int = Field(default=64, ge=1, le=4096)
    dimensions: tuple[int, ...] = DIMENSIONS
    neighbours: int = Field(default=5, ge=1)
    epochs: int = Field(default=60, ge=1)
    cnn_steps: int = Field(default=600, ge=1)
    activation: Literal["tanh", "relu"] = "tanh"

    @field_validator("dimensions")
    @classmethod
    def _in_range(cls, dimensions: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 1 <= dimension <= 4096 for dimension in dimensions):
            raise ValueError("expected dimensions of 1 to 4096")
        return dimensions

    @field_validator("methods")
    @classmethod
    def _each_once(cls, methods: tuple[Method, ...]) -> tuple[Method, ...]:
        if len(set(methods)) < len(methods):
            raise ValueError("expected each method once")
        return methods

    @property
    def grid(self) -> tuple[int, ...]:
        """Return all dimensions to measure, in ascending order."""
        return tuple(sorted({self.dimension, *self.dimensions}))

    @property
    def all_seeds(self) -> tuple[int, ...]:
        return tuple(range(self.first_seed, self.first_seed + self.seeds))


def make_settings(values: dict[str, object]) -> ImageLevelSettings:
    """Return the settings for option values. Raises DataError that names the option."""
    try:
        return ImageLevelSettings.model_validate(values)
    except ValidationError as error:
        raise DataError(describe(error)) from error
