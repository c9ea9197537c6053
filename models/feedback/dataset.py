"""The input of a retraining: a run, the settings of its bundle, and the marked parts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge.data_folder import MaskFile
from edge.errors import QuarantineError
from edge.quarantine import QuarantineEntry, read_pixels
from models.data.dataset import DataError, DataSet, as_channels
from models.data.quarantined import ESCAPE, FOLDER, masks_of, sample_name, sample_of
from models.feedback.novel_regions import NovelRegion
from models.feedback.settings import FeedbackFacts, FeedbackSettings
from models.runs.run import Run, RunRecord, RunResult
from models.training.patches import Picture, load_pictures


@dataclass(frozen=True, slots=True)
class Marked:
    """A released part and its picture."""

    entry: QuarantineEntry
    picture: Picture


@dataclass(frozen=True, slots=True)
class FeedbackDataset:
    """The input of a retraining.

    Attributes:
        run: the old run.
        record: its record.
        result: its result.
        dataset: its data folder.
        old: the settings of the old bundle.
        folder: the quarantine folder.
        train: the training pictures of the old run.
        validation: the validation pictures of the old run.
        earlier: marked parts that an earlier retraining learned; their verdicts must stay right.
        learned: the marked parts to learn from (models/feedback/partition.py).
        held_back: the marked parts that only check the result.
        caught: for validation, marked and synthetic pictures, by name: true where the old bundle
            rejects them.
        novel_regions: the regions with a new appearance on the learned good parts.
        synthetic: generated bad parts with the new appearance
            (models/feedback/appearance_transfer.py), or synthetic defects.
        synthetic_held_back: the same for held-back good parts; empty where none is held back.
    """

    run: Run
    record: RunRecord
    result: RunResult
    dataset: DataSet
    old: FeedbackSettings
    folder: Path
    train: tuple[Picture, ...]
    validation: tuple[Picture, ...]
    earlier: tuple[Picture, ...]
    learned: tuple[Marked, ...]
    held_back: tuple[Marked, ...]
    caught: dict[str, bool]
    novel_regions: tuple[NovelRegion, ...] = ()
    synthetic: tuple[Picture, ...] = ()
    synthetic_held_back: tuple[Picture, ...] = ()

    @property
    def selection(self) -> tuple[Picture, ...]:
        """Return the pictures on which settings are chosen. Held-back parts are never among them.

        They are the old validation parts, parts learned earlier, synthetic and learned parts.
        """
        marked = (each.picture for each in self.learned)
        return (*self.validation, *self.earlier, *self.synthetic, *marked)

    @property
    def facts(self) -> FeedbackFacts:
        """Return the facts on the pictures of ``selection``."""
        pictures = self.selection
        place = np.arange(len(pictures))
        first = len(self.validation) + len(self.earlier)
        marked = first + len(self.synthetic)
        return FeedbackFacts(
            bad=np.array([not p.sample.is_good for p in pictures], np.bool_),
            caught=np.array([self.caught[p.sample.name] for p in pictures], np.bool_),
            marked=place >= marked,
            synthetic=(place >= first) & (place < marked),
        )

    @property
    def learned_good(self) -> tuple[Picture, ...]:
        """Return the learned parts that are good."""
        return tuple(m.picture for m in self.learned if m.picture.sample.is_good)

    @property
    def learned_drawn(self) -> tuple[Picture, ...]:
        """Return the learned bad parts on which a person has drawn the defects."""
        return tuple(m.picture for m in self.learned if m.picture.sample.masks)

    @property
    def escapes(self) -> tuple[Picture, ...]:
        """Return the escapes without masks that are learned, now or earlier."""
        pictures = (*self.earlier, *(marked.picture for marked in self.learned))
        return tuple(picture for picture in pictures if ESCAPE in picture.sample.kinds)


def open_feedback_dataset(
    run: Run,
    old: FeedbackSettings,
    folder: Path,
    learned: Sequence[QuarantineEntry],
    held_back: Sequence[QuarantineEntry],
) -> FeedbackDataset:
    """Read the pictures of the old run and of the marked parts. Raises DataError.

    ``caught`` is empty until ``with_caught`` adds it.
    """
    record, result = run.record(), run.result()
    dataset, by_name = run.open_data()
    masks = _known_masks(folder, dataset, {entry.id for entry in (*learned, *held_back)})
    marked = f"{FOLDER}/"
    earlier = tuple(
        by_name[name] for name in (*record.train, *record.unmasked) if name.startswith(marked)
    )
    return FeedbackDataset(
        run=run,
        record=record,
        result=result,
        dataset=dataset,
        old=old,
        folder=folder,
        train=load_pictures(dataset, tuple(by_name[name] for name in record.train)),
        validation=load_pictures(dataset, tuple(by_name[name] for name in record.validation)),
        earlier=load_pictures(dataset, earlier),
        learned=tuple(_marked(dataset, folder, e, masks.get(e.id, ())) for e in learned),
        held_back=tuple(_marked(dataset, folder, e, masks.get(e.id, ())) for e in held_back),
        caught={},
    )


def with_caught(feedback: FeedbackDataset, caught: dict[str, bool]) -> FeedbackDataset:
    """Return a copy with the verdicts of the old bundle."""
    return replace(feedback, caught=caught)


def _known_masks(
    folder: Path, dataset: DataSet, ids: Collection[str]
) -> dict[str, tuple[MaskFile, ...]]:
    """Return the masks of these parts by their ids. Raises DataError for another kind than those of
    the run: its classifier has no place for one."""
    try:
        masks = {key: each for key, each in masks_of(folder).items() if key in ids}
    except QuarantineError as error:
        raise DataError(str(error)) from error
    for mask in (mask for each in masks.values() for mask in each):
        if mask.kind not in dataset.kinds:
            raise DataError(
                f"{mask.path}: the run knows no kind {mask.kind!r}; expected one of "
                f"{', '.join(dataset.kinds) or 'none'}, or `make train` for a new kind"
            )
    return masks


def _marked(
    dataset: DataSet, folder: Path, entry: QuarantineEntry, masks: Sequence[MaskFile]
) -> Marked:
    try:
        pixels = as_channels(read_pixels(folder, entry), dataset.channels)
        sample = sample_of(folder, entry, masks)
    except QuarantineError as error:
        raise DataError(str(error)) from error
    sound = np.zeros(pixels.shape[:2], np.uint8)
    kind_map = dataset.load_kind_map(sample) if masks else sound
    return Marked(entry, Picture(sample, pixels, kind_map))


def new_entries(
    record: RunRecord, entries: Sequence[QuarantineEntry]
) -> tuple[QuarantineEntry, ...]:
    """Return the released entries that are in no set of the run yet."""
    known = {*record.train, *record.validation, *record.unmasked}
    return tuple(e for e in entries if e.released and sample_name(e) not in known)
