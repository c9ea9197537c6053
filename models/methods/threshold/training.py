"""Distance from the background, which the station works out itself (edge/chain/threshold_*.py)."""

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
from models.augmentation.synthetic_defects import paint_flaw
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

# No scale is finer than so many grey levels for a severity of 4: below that it is a camera's noise.
LEAST_PEAK_GREY = 4.0
ROUNDS = 2  # through all keys; a third changed nothing on any of the sets in shared/data
# What "auto", and 0 px, try, in this order; of equals the first stays.
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
    """The parameters that find most on the training pictures, on the scale of good parts."""
    recipe = task.recipe.threshold
    if not task.good:
        raise DataError("method threshold: no picture of a good part to take the scale from")
    good = _spread_out(task.good, recipe.search_parts // 2)
    drawn = [picture for picture in task.pictures if picture.kind_map.any()]
    bad = _spread_out(drawn, recipe.search_parts // 2) or list(_painted(good, task.recipe.seed))
    if not bad:
        raise DataError("method threshold: no flaw that is painted on the good parts can be seen")
    file = search(good, bad, recipe, task.channels)
    judges = task.good_held_back or task.good
    if not task.good_held_back:
        log.warning("threshold-scale: no good part is held back; taken from those searched on")
    file = file.model_copy(update={"grain": _grain(file, task.good, task.channels)})
    unit = severity_unit(_peaks(file, judges, task.channels))
    file = file.model_copy(update={"unit": unit})
    log.info("threshold %s", file.model_dump_json())
    return TrainedMethod(FileDetector("threshold", file.pack()))


def search(
    good: Sequence[Picture], bad: Sequence[Picture], recipe: ThresholdRecipe, channels: int
) -> ThresholdFile:
    """The parameters with the highest ``worth``: key by key, the others as they are, ROUNDS times.

    Keys that the recipe sets are not tried. Deterministic. Blocks for seconds.
    """
    told = recipe.model_dump(exclude={"search_parts"})
    free = {key: values for key, values in TRIED.items() if told[key] in ("auto", 0)}
    told.update({key: values[0] for key, values in free.items()})
    best = ThresholdFile.model_validate(told)
    best = best.model_copy(update={"grain": _grain(best, good, channels)})
    highest = worth(best, good, bad, channels)
    for _ in range(ROUNDS):
        before = best
        for key, values in free.items():
            for value in values:
                trial = best.model_copy(update={key: value})
                if _looked_at(trial) == _looked_at(best):
                    continue
                found = worth(trial, good, bad, channels)
                if found > highest + 1e-9:
                    best, highest = trial, found
        if best == before:
            break
    log.info("threshold-search worth=%.3f of 2", highest)
    return best


def worth(
    file: ThresholdFile, good: Sequence[Picture], bad: Sequence[Picture], channels: int
) -> float:
    """The share of defects that stand out further than any good part does, plus the best mean IoU:
    0 to 2. The first is what a line asks, the second where the defect ends."""
    unit = severity_unit(_peaks(file, good, channels))
    detector = ThresholdDetector(file.model_copy(update={"unit": unit}), channels)
    maps: list[tuple[SeverityMap, npt.NDArray[np.bool_]]] = []
    seen: list[bool] = []
    for picture in bad:
        found = detector.detect(picture.pixels)
        maps.append((replace(found, values=found.values.copy()), picture.kind_map > 0))
        seen.append(found.severity(float(found.values[picture.kind_map > 0].max())) > GOOD_SEVERITY)
    return float(np.mean(seen)) + search_threshold(maps).best_iou


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


def _grain(file: ThresholdFile, pictures: Iterable[Picture], channels: int) -> float:
    """The largest of good parts'."""
    detector = ThresholdDetector(file, channels)
    return max(detector.noise_level(as_channels(picture.pixels, 1)) for picture in pictures)


def _painted(pictures: Iterable[Picture], seed: int) -> Iterator[Picture]:
    """Each with a painted flaw, for lines that have drawn none."""
    rng = np.random.default_rng([seed, 2])
    for picture in pictures:
        pixels, kind_map = paint_flaw(picture.pixels, picture.kind_map, rng)
        if kind_map.any():
            yield replace(picture, pixels=pixels, kind_map=kind_map)


def _looked_at(file: ThresholdFile) -> ThresholdFile:
    """The same with every key that it does not look at as in any other."""
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
