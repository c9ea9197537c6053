"""The input of a retraining: the marked parts on their sides, and the old bundle's decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edge.bundle import Bundle
from edge.chain.classify import KEEP_NONE
from edge.quarantine import read_index
from export.errors import ExportError
from export.feedback.comparison import open_chain, rejected
from export.golden import SYNTHETIC
from export.synthetic_defects import with_synthetic_defects
from models.evaluation.float_chain import detector_of
from models.feedback import FeedbackDataset, FeedbackSettings
from models.feedback.appearance_transfer import synthetic_bad_parts
from models.feedback.dataset import new_entries, open_feedback_dataset, with_caught
from models.feedback.novel_regions import NovelRegion, find_novel_regions
from models.feedback.partition import divide
from models.runs.run import Run
from models.training.patches import Picture
from models.training.progress import track


def open_marked(run: Run, old: Bundle, quarantine: Path, held_back_share: float) -> FeedbackDataset:
    """Read the released parts that the run has not learned yet, and run the old bundle on them.

    Blocks for the chain over every part. Raises ExportError, DataError, BundleError and
    QuarantineError.
    """
    record = run.record()
    if tuple(kind.name for kind in old.manifest.kinds) != record.kinds:
        raise ExportError(
            f"{old.id} was not exported from {run.folder}: its kinds of defects differ"
        )
    if record.recipe.decides:
        raise ExportError(
            f"{run.folder}: has a decision head, which `make learn` cannot train further; put the "
            "marked parts into the data folder, and train with --from (TRAIN_ARGS)"
        )
    index = read_index(quarantine)
    entries = new_entries(record, index.entries)
    if not entries:
        released = sum(entry.released is not None for entry in index.entries)
        raise ExportError(
            f"{quarantine}: {len(index.entries)} parts, {released} released, none of them new to "
            f"{run.folder}; release parts with `outfeed quarantine release`"
        )
    if all(entry.released == "true-reject" for entry in entries):
        raise ExportError(
            f"{quarantine}: {len(entries)} new parts released, all of them true rejects: there is "
            "no wrong verdict to correct"
        )
    classifier = old.manifest.classifier
    settings = FeedbackSettings(
        old.manifest.chain.threshold,
        KEEP_NONE if classifier is None else classifier.keep_severity,
        old.manifest.chain.reject_severity,
    )
    divided = divide(entries, held_back_share)
    feedback = open_feedback_dataset(run, settings, quarantine, divided.learned, divided.held_back)
    chain = open_chain(old)

    def ruled(pictures: Iterable[Picture]) -> dict[str, bool]:
        progress = track(tuple(pictures), "inspecting every part with the old bundle")
        return {picture.sample.name: rejected(chain, picture) for picture in progress}

    caught = ruled((*feedback.selection, *(marked.picture for marked in feedback.held_back)))
    detector = detector_of(run.load_detector(), record.channels, record.alignment)
    later = tuple(m.picture for m in feedback.held_back if m.picture.sample.is_good)
    learned, later_regions = (
        find_novel_regions(detector, good, settings.threshold)
        for good in (feedback.learned_good, later)
    )
    feedback = replace(
        feedback,
        novel_regions=learned,
        synthetic=_synthetic_parts(feedback, caught, feedback.learned_good, learned),
        # The result on pictures that a network was trained on proves nothing.
        synthetic_held_back=_synthetic_parts(feedback, caught, later, later_regions)
        if later
        else (),
    )
    return with_caught(
        feedback, caught | ruled((*feedback.synthetic, *feedback.synthetic_held_back))
    )


def _synthetic_parts(
    feedback: FeedbackDataset,
    caught: Mapping[str, bool],
    good: Sequence[Picture],
    novel_regions: Sequence[NovelRegion],
) -> tuple[Picture, ...]:
    """Return bad parts with the appearance of the good ones, made from rejected validation parts.

    Where no validation part is bad, return good parts of both appearances with synthetic defects.
    """
    donors = [p for p in feedback.validation if p.kind_map.any() and caught[p.sample.name]]
    if donors:
        return synthetic_bad_parts(donors, good, novel_regions, feedback.record.recipe.seed)
    if any(not picture.sample.is_good for picture in feedback.validation):
        return ()
    return tuple(
        map(
            _as_bad_part,
            with_synthetic_defects((*feedback.validation, *good), feedback.record.alignment),
        )
    )


def _as_bad_part(picture: Picture) -> Picture:
    """Return the picture under another name, as a bad part."""
    name = f"{picture.sample.name} with a synthetic defect"
    return replace(picture, sample=replace(picture.sample, name=name, kinds=(SYNTHETIC,)))
