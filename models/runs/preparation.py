"""The preparation of a run: the data, read and divided, and its record for run.json."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from models.training import auto
from models.training.alignment import find_alignment
from models.data.dataset import DataError, DataSet
from models.data.split import hold_back_defective, split
from models.distillation.teacher import Guide
from models.methods.registry import METHODS
from models.networks import DetectorNetwork
from models.training.patches import Picture, load_pictures
from models.training.recipe import Recipe, SplitRecipe
from models.runs.run import RunRecord, open_data
from models.evaluation.tradeoff.point import require_good
from models.report.limits import unknowns

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Preparation:
    """The record of a run, its data, and the pictures of both sides, ordered by name.

    guide: a teacher; None without one. trained: networks of other methods on the same pictures, as
    TrainingTask has them.
    """

    record: RunRecord
    dataset: DataSet
    pictures: tuple[Picture, ...]
    held_back: tuple[Picture, ...]
    guide: Guide | None = None
    trained: Mapping[str, DetectorNetwork] = field(default_factory=dict)


def prepare(
    data: Path,
    recipe: Recipe | None,
    groups: str | None = None,
    *,
    hold_back_drawn: bool = False,
    with_unmasked: bool = False,
    max_false_rejects: float | None = None,
) -> Preparation:
    """Read and divide the data by the recipe. Block for seconds to a minute.

    recipe: None chooses one for regression from the data (models/training/auto.py) and logs the
    reasons. groups: in place of the recipe's split.groups. hold_back_drawn: with a method that
    learns from good parts, also hold back the annotated defects of the training side. The division
    then differs from that of other methods. with_unmasked: divide defective pictures without a mask
    like the others, as a recipe with a decision head always does. max_false_rejects: of the recipe
    that is chosen from the data, 0 to 1.
    Raises DataError for data that cannot be trained on.
    """
    given = recipe.split if recipe is not None else SplitRecipe()
    if groups is not None:
        given = given.model_copy(update={"groups": groups})
    dataset = open_data(data, given)
    settings = given if recipe is not None else auto.choose_split(dataset)
    decides = recipe is not None and recipe.decides
    divided = split(
        dataset, settings.validation_share, settings.seed, with_unmasked=decides or with_unmasked
    )
    if recipe is not None and METHODS[recipe.method].good_only:
        divided = hold_back_defective(divided, drawn=hold_back_drawn or settings.good_only)
    if recipe is not None and recipe.chain.max_false_rejects is not None:
        require_good(sum(sample.is_good for sample in divided.validation), str(data))
    pictures = load_pictures(dataset, divided.train)
    held_back = load_pictures(dataset, divided.validation)
    if recipe is None:
        _check(dataset, pictures, held_back, _NEEDS_MASKS)
        choice = auto.choose_recipe(dataset, divided, pictures)
        for line in auto.describe(choice):
            log.info("auto %s", line)
        recipe = choice.recipe.within(max_false_rejects)
    needs = _NEEDS_GOOD if METHODS[recipe.method].good_only else _NEEDS_MASKS
    _check(dataset, pictures, held_back, _NEEDS_BOTH if decides and not recipe.learns_all else needs)
    classified = recipe.classifier.enabled and any(p.kind_map.any() for p in pictures)
    if recipe.classifier.enabled and not classified:
        log.info("classifier off: no training picture carries an annotated defect")
    off = recipe.classifier.model_copy(update={"enabled": classified})
    settings = settings.model_copy(update={"groups": given.groups})
    record = RunRecord(
        recipe=recipe.model_copy(update={"split": settings, "classifier": off}),
        data=str(data.resolve()),
        layout=dataset.layout,
        kinds=dataset.kinds,
        channels=dataset.channels,
        train=tuple(sample.name for sample in divided.train),
        validation=tuple(sample.name for sample in divided.validation),
        unmasked=tuple(sample.name for sample in divided.unmasked),
        alignment=find_alignment(pictures, recipe.alignment),
    )
    for line in unknowns(divided.validation, dataset.kinds):
        log.warning("%s", line)
    return Preparation(record, dataset, pictures, held_back)


def keep_sides(prepared: Preparation, earlier: RunRecord) -> Preparation:
    """Return a preparation in which every part is on the side that it had in an earlier run.

    A network that learns further has seen its training pictures, so they must not be held back now.
    Parts are recognised by the names of their pictures. New parts stay where they are. Raises
    DataError where a side then has no good part and had one before.
    """
    pictures = (*prepared.pictures, *prepared.held_back)
    trained, held = (
        {picture.sample.group for picture in pictures if picture.sample.name in names}
        for names in (set(earlier.train), set(earlier.validation))
    )
    known = trained | held
    log.info("split-kept parts=%s: on the side that they had in the earlier run", len(known))
    if not known:
        log.warning(
            "no picture has a name of the earlier run: a picture that it was trained on may be "
            "held back now, and figures may be too good"
        )
    new_held = {picture.sample.group for picture in prepared.held_back} - known
    held_back = {*(held - trained), *new_held}
    sides = tuple(
        tuple(sorted(some, key=lambda picture: picture.sample.name))
        for some in (
            [picture for picture in pictures if picture.sample.group not in held_back],
            [picture for picture in pictures if picture.sample.group in held_back],
        )
    )
    for before, now in zip((prepared.pictures, prepared.held_back), sides, strict=True):
        if any(map(_is_good, before)) and not any(map(_is_good, now)):
            raise DataError(
                f"{prepared.dataset.root}: no good part is left for training or for the check, "
                "because parts stay on the side of the earlier run; add pictures of good parts"
            )
    train, validation = (tuple(picture.sample.name for picture in side) for side in sides)
    record = prepared.record.model_copy(update={"train": train, "validation": validation})
    return replace(prepared, record=record, pictures=sides[0], held_back=sides[1])


def _is_good(picture: Picture) -> bool:
    return picture.sample.is_good


def _is_defective(picture: Picture) -> bool:
    return not picture.sample.is_good


def _is_drawn(picture: Picture) -> bool:
    return bool(picture.kind_map.any())


# The pictures that each side must have: a test, the fault, and the expectation.
_Need = tuple[Callable[[Picture], bool], str, str]
_GOOD: _Need = (_is_good, "is of a good part", "at least two good parts")
_NEEDS_GOOD = (_GOOD,)
_NEEDS_MASKS: tuple[_Need, ...] = (
    (
        _is_drawn,
        "carries an annotated defect",
        "masks of some (at least two parts with each kind)",
    ),
)
_NEEDS_BOTH = (_GOOD, (_is_defective, "is of a defective part", "at least two defective parts"))


def _check(
    dataset: DataSet,
    pictures: tuple[Picture, ...],
    held_back: tuple[Picture, ...],
    needs: tuple[_Need, ...],
) -> None:
    """Raise DataError if a method has nothing to learn from, or nothing to be evaluated on."""
    for side, some in (("training", pictures), ("validation", held_back)):
        for has, fault, expected in needs:
            if not any(has(picture) for picture in some):
                raise DataError(
                    f"{dataset.root}: no {side} picture {fault}; expected {expected}"
                )
