"""Training of the threshold detector: the search for its settings, and the scale of severity.

The station computes the distance from the background by these settings (edge/chain/threshold).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edge.chain.threshold.detector import ThresholdDetector
from edge.chain.threshold.file import ThresholdFile
from edge.errors import FrameError
from edge.records import SeverityMap
from models.augmentation.synthetic_defects import add_defect
from models.data.dataset import DataError, as_channels
from models.evaluation.threshold import search_threshold
from models.methods.base import (
    GOOD_SEVERITY,
    FileDetector,
    Method,
    TrainedMethod,
    TrainingTask,
    severity_unit,
)
from models.methods.recipe import ThresholdRecipe
from models.training.patches import Picture

log = logging.getLogger(__name__)

# Least grey levels for a severity of 4; smaller differences are noise of the camera.
LEAST_PEAK_GREY = 4.0
ROUNDS = 2  # over all keys; a third changed nothing on any of the data sets
# Values for "auto" and 0 px, in the order of the search. Of equally good values the first is kept.
TRIED: dict[str, tuple[object, ...]] = {
    "level": ("local", "otsu"),
    "window_px": (63, 31, 127),
    "denoise": ("gaussian", "median", "none"),
    "denoise_px": (3, 5, 9),
    "background": ("median", "mean"),
    "polarity": ("both", "dark", "bright"),
    "open_px": (1, 3),
    "close_px": (1, 5),
}


def train_threshold(task: TrainingTask) -> TrainedMethod:
    """Search the settings on the training pictures, and set the scale by good parts.

    Raises DataError without a good part.
    """
    recipe = task.recipe.threshold
    if not task.good:
        raise DataError("method threshold: no picture of a good part to take the scale from")
    good = _spread_out(task.good, recipe.search_parts // 2)
    drawn = [picture for picture in task.pictures if picture.kind_map.any()]
    bad = _spread_out(drawn, recipe.search_parts // 2) or list(
        _with_defects(good, task.recipe.seed)
    )
    if not bad:
        raise DataError("method threshold: no synthetic defect is visible on the good parts")
    file = search(good, bad, recipe, task.channels)
    scaling = task.good_held_back or task.good
    if not task.good_held_back:
        log.warning("threshold-scale: no good part is held back; training pictures set the scale")
    file = file.model_copy(update={"noise": _noise(file, task.good, task.channels)})
    unit = severity_unit(_peaks(file, scaling, task.channels))
    file = file.model_copy(update={"unit": unit})
    log.info("threshold %s", file.model_dump_json())
    return TrainedMethod(FileDetector("threshold", file.pack()))


def search(
    good: Sequence[Picture], bad: Sequence[Picture], recipe: ThresholdRecipe, channels: int
) -> ThresholdFile:
    """Return the settings with the highest ``worth``, found key by key in ROUNDS rounds.

    Keys that the recipe sets are not searched. Equal pictures give equal settings. Blocks for
    seconds.
    """
    values_of = recipe.model_dump(exclude={"search_parts"})
    free = {key: values for key, values in TRIED.items() if values_of[key] in ("auto", 0)}
    values_of.update({key: values[0] for key, values in free.items()})
    best = ThresholdFile.model_validate(values_of)
    best = best.model_copy(update={"noise": _noise(best, good, channels)})
    highest = worth(best, good, bad, channels)
    for _ in range(ROUNDS):
        before = best
        for key, values in free.items():
            for value in values:
                trial = best.model_copy(update={key: value})
                if _effective(trial) == _effective(best):
                    continue
                value_of_trial = worth(trial, good, bad, channels)
                if value_of_trial > highest + 1e-9:
                    best, highest = trial, value_of_trial
        if best == before:
            break
    log.info("threshold-search worth=%.3f of 2", highest)
    return best


def worth(
    file: ThresholdFile, good: Sequence[Picture], bad: Sequence[Picture], channels: int
) -> float:
    """Return the value of settings, 0 to 2.

    It is the share of defects that exceed every good part, plus the best mean IoU. The first term
    counts rejected parts, the second the extent of the defects.
    """
    unit = severity_unit(_peaks(file, good, channels))
    detector = ThresholdDetector(file.model_copy(update={"unit": unit}), channels)
    maps: list[tuple[SeverityMap, npt.NDArray[np.bool_]]] = []
    exceeds: list[bool] = []
    for picture in bad:
        severity = detector.detect(picture.pixels)
        defect = picture.kind_map > 0
        maps.append((replace(severity, values=severity.values.copy()), defect))
        peak = severity.severity(float(severity.values[defect].max()))
        exceeds.append(peak > GOOD_SEVERITY)
    return float(np.mean(exceeds)) + search_threshold(maps).best_iou


def _peaks(file: ThresholdFile, pictures: Iterable[Picture], channels: int) -> list[float]:
    detector = ThresholdDetector(file, channels)
    peaks = []
    for picture in pictures:
        try:
            peak = float(detector.scores(picture.pixels).max())
        except FrameError as error:
            raise DataError(f"{picture.sample.name}: {error}") from error
        peaks.append(max(peak, LEAST_PEAK_GREY))
    return peaks


def _noise(file: ThresholdFile, pictures: Iterable[Picture], channels: int) -> float:
    """Return the largest noise of the good parts."""
    detector = ThresholdDetector(file, channels)
    return max(detector.noise_level(as_channels(picture.pixels, 1)) for picture in pictures)


def _with_defects(pictures: Iterable[Picture], seed: int) -> Iterator[Picture]:
    """Yield each picture with a synthetic defect, for lines without annotated ones."""
    rng = np.random.default_rng([seed, 2])
    for picture in pictures:
        pixels, kind_map = add_defect(picture.pixels, picture.kind_map, rng)
        if kind_map.any():
            yield replace(picture, pixels=pixels, kind_map=kind_map)


def _effective(file: ThresholdFile) -> ThresholdFile:
    """Return the settings with every key that has no effect set to a fixed value."""
    unread: dict[str, object] = {}
    if file.denoise in ("none", "nlmeans"):
        unread["denoise_px"] = 1
    if file.level == "otsu":
        unread |= {"window_px": 3, "background": "mean"}
    return file.model_copy(update=unread)


def _spread_out(pictures: Sequence[Picture], most: int) -> list[Picture]:
    step = max(-(-len(pictures) // max(most, 1)), 1)
    return list(pictures[::step])


METHOD = Method(
    train=train_threshold,
    build=None,
    good_only=True,
    formats=("onnx",),
    int8=False,
)
