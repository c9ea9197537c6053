"""The interface of a method: a training task in, a trained detector out, on one severity scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge.bundle.kinds import DetectorKind
from edge.bundle.manifest import Format
from models.distillation.teacher import Guide
from models.methods.file_detector import FileDetector
from models.networks import DetectorNetwork
from models.training.device import CPU, TrainingDevice
from models.training.patches import Picture
from models.training.recipe import Recipe

__all__ = ["FileDetector", "Method", "TrainedMethod", "TrainingTask", "severity_unit"]

# The severity of the worst good part. A raw score three times as high is the top of the scale, 12.
GOOD_SEVERITY = 4.0
# Share of good parts at or below it: all of them where they are fewer than two hundred.
GOOD_SHARE = 0.995


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """The input of a method's training.

    pictures: those to train on. held_back: the validation pictures; good parts among them set the
    scale of severity. kinds: names of the kinds of defects. channels: 1 or 3. checkpoint: file from
    which a killed training continues. guide: a teacher, for methods that ``distil``. device: on
    which its networks learn; the trained detector is on the processor. trained: networks of other
    methods, by name, that were trained on the same pictures, for methods that build on them.
    """

    pictures: tuple[Picture, ...]
    held_back: tuple[Picture, ...]
    kinds: tuple[str, ...]
    channels: int
    recipe: Recipe
    checkpoint: Path
    guide: Guide | None = None
    device: TrainingDevice = CPU
    trained: Mapping[str, DetectorNetwork] = field(default_factory=dict)

    @property
    def good(self) -> tuple[Picture, ...]:
        """Return the training pictures of good parts."""
        return tuple(picture for picture in self.pictures if picture.sample.is_good)

    @property
    def good_held_back(self) -> tuple[Picture, ...]:
        return tuple(picture for picture in self.held_back if picture.sample.is_good)


@dataclass(frozen=True, slots=True)
class TrainedMethod:
    """A trained detector: a network in eval mode, or a file. loss: by step, where there is one."""

    detector: DetectorNetwork | FileDetector
    loss: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Method:
    """One way to obtain severity maps.

    train: blocks for seconds to minutes; raises DataError for pictures that it cannot learn from.
    build: returns an untrained network for the recipe and channels, into which the weights of a run
    are loaded; None if the method gives a FileDetector. good_only: it needs no annotated defect.
    formats: formats of its export. int8: true if its network may be quantised. further: trains one
    of its networks further, which is changed, by the recipe's detector section; None if the method
    cannot. by_place: the method compares each place with the same place of other parts, so pictures
    with things in other places than on the line must not be trained on. by_name: `make train` uses
    it only where its recipe is named. It is a published method to measure others against, or
    another method has been better on every set. distils: it can learn from a teacher.
    builds_on: methods whose trained networks its training takes, where they are given.
    """

    train: Callable[[TrainingTask], TrainedMethod]
    build: Callable[[Recipe, int], DetectorNetwork] | None
    good_only: bool
    formats: tuple[Format, ...] = ("onnx", "tflite")
    int8: bool = True
    further: Callable[[TrainingTask, DetectorNetwork], TrainedMethod] | None = None
    by_place: bool = False
    by_name: bool = False
    distils: bool = False
    builds_on: tuple[DetectorKind, ...] = ()


def severity_unit(peaks: Sequence[float], share: float = GOOD_SHARE) -> float:
    """Return the raw score that makes one severity, from the peak scores of good parts.

    peaks: the greatest raw score of each part. The given share of good parts then stays at or below
    GOOD_SEVERITY. T is chosen later, from annotated defects or from a limit of false rejects.
    Raises ValueError without a part, or when no part scores above 0.
    """
    if not len(peaks):
        raise ValueError("no good part to take the scale of severity from")
    limit = float(np.quantile(np.asarray(peaks, np.float64), share, method="higher"))
    if not limit > 0.0:
        raise ValueError(f"good parts score {limit:g} at the most; expected something above 0")
    return limit / GOOD_SEVERITY
