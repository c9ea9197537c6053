"""All that a rebuilding starts from: a run, the settings of its bundle, and the marked parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge.errors import QuarantineError
from edge.quarantine import QuarantineEntry, read_pixels
from models.data.dataset import DataError, DataSet, as_channels
from models.data.quarantined import ESCAPE, FOLDER, sample_name, sample_of
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
    """train, validation: the old run's pictures; earlier: marked parts that an earlier lesson
    learned from, which must stay learned. learned, held_back: the marked parts by side
    (models/feedback/partition.py). caught: of validation and marked pictures by name, whether the
    old bundle rejects them. folder: the quarantine's. novelties: what is new on those that are
    learned from. set_in: bad parts of the new look as they may be, of which nobody has pictures
    (models/feedback/appearance_transfer.py), or painted flaws. judging: the same by marked parts
    that are held back; none where none is."""

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
        """What settings are chosen on: the old validation parts and the marked ones that are
        learned from. Those that are held back are never among them."""
        marked = (each.picture for each in self.learned)
        return (*self.validation, *self.earlier, *self.synthetic, *marked)

    @property
    def facts(self) -> FeedbackFacts:
        """Of ``judged``."""
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
        return tuple(m.picture for m in self.learned if m.picture.sample.is_good)

    @property
    def escapes(self) -> tuple[Picture, ...]:
        """Those that are learned from, now or earlier."""
        pictures = (*self.earlier, *(marked.picture for marked in self.learned))
        return tuple(picture for picture in pictures if ESCAPE in picture.sample.kinds)


def open_feedback_dataset(
    run: Run,
    old: FeedbackSettings,
    folder: Path,
    learned: Sequence[QuarantineEntry],
    held_back: Sequence[QuarantineEntry],
) -> FeedbackDataset:
    """Read the old run's pictures and the marked parts'; ``caught`` is still to be found out.
    Raises DataError."""
    record, result = run.record(), run.result()
    dataset, by_name = run.open_data()
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
        learned=tuple(_marked(dataset, folder, entry) for entry in learned),
        held_back=tuple(_marked(dataset, folder, entry) for entry in held_back),
        caught={},
    )


def with_caught(feedback: FeedbackDataset, caught: dict[str, bool]) -> FeedbackDataset:
    return replace(feedback, caught=caught)


def _marked(dataset: DataSet, folder: Path, entry: QuarantineEntry) -> Marked:
    try:
        pixels = as_channels(read_pixels(folder, entry), dataset.channels)
    except QuarantineError as error:
        raise DataError(str(error)) from error
    kind_map = np.zeros(pixels.shape[:2], np.uint8)
    return Marked(entry, Picture(sample_of(folder, entry), pixels, kind_map))


def new_entries(
    record: RunRecord, entries: Sequence[QuarantineEntry]
) -> tuple[QuarantineEntry, ...]:
    """Released entries that the run has not learned from or was judged by yet."""
    known = {*record.train, *record.validation, *record.unmasked}
    return tuple(e for e in entries if e.released and sample_name(e) not in known)
