"""What every method of the sources is to training: pictures go in, a detector comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.bundle.manifest import Format
from models.methods.file_detector import FileDetector
from models.networks import DetectorNetwork
from models.training.patches import Picture
from models.training.recipe import Recipe

__all__ = ["FileDetector", "Method", "TrainedMethod", "TrainingTask"]


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """What a method is given. held_back: the validation pictures; those of good parts calibrate the
    scale of severity. checkpoint: where a long training keeps its state, to go on after a kill."""

    pictures: tuple[Picture, ...]
    held_back: tuple[Picture, ...]
    kinds: tuple[str, ...]
    channels: int
    recipe: Recipe
    checkpoint: Path

    @property
    def good(self) -> tuple[Picture, ...]:
        """Training pictures of good parts."""
        return tuple(picture for picture in self.pictures if picture.sample.is_good)

    @property
    def good_held_back(self) -> tuple[Picture, ...]:
        return tuple(picture for picture in self.held_back if picture.sample.is_good)


@dataclass(frozen=True, slots=True)
class TrainedMethod:
    """A network in eval mode, or a file; the loss by step where there is one."""

    detector: DetectorNetwork | FileDetector
    loss: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Method:
    """One way to a severity map.

    train: blocks for seconds to minutes; raises DataError for pictures that it cannot learn from.
    build: an untrained network of the recipe and channels, into which a run's weights are read;
    None where the method gives a FileDetector. good_only: it needs no annotated defect.
    formats: what it can be exported to; int8: whether its network may be quantised. further: train
    a network of it further, which is changed, with the recipe's detector section; None where the
    method cannot. by_place: each place is compared with the same place of other parts, so a picture
    on which something lies elsewhere than on the line would teach it wrong.
    """

    train: Callable[[TrainingTask], TrainedMethod]
    build: Callable[[Recipe, int], DetectorNetwork] | None
    good_only: bool
    formats: tuple[Format, ...] = ("onnx", "tflite")
    int8: bool = True
    further: Callable[[TrainingTask, DetectorNetwork], TrainedMethod] | None = None
    by_place: bool = False
