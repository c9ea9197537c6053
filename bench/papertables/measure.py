"""The outcomes of completed runs on their validation pictures, for each chain."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.bundle import KindManifest
from edge.chain.classify import BlockVote, Classifier, SingleKindClassifier
from edge.chain.inspector import Inspector
from models.data.dataset import DataError, DataSet
from models.evaluation.evaluate import evaluate
from models.evaluation.float_chain import RunOnce, TorchBlocks, detector_of
from models.evaluation.metrics import PictureOutcome
from models.evaluation.score import score
from models.networks import BlockClassifier
from models.runs.run import Run, RunRecord, RunResult
from models.training.patches import Picture, load_pictures
from models.training.recipe import Recipe

FLOAT, BARE, INT8 = "float", "float, no classifier", "station"


@dataclass(frozen=True, slots=True)
class Reported:
    """The output of `outfeed inspect` for the validation pictures of a run."""

    results: Path
    masks: Path


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """A run, and the outcomes of each chain on its validation pictures, in their order.

    outcomes: by FLOAT (if the recipe has a classifier), BARE, and INT8 (if files were given).
    """

    folder: Path
    record: RunRecord
    result: RunResult
    outcomes: dict[str, tuple[PictureOutcome, ...]]

    @property
    def best(self) -> tuple[PictureOutcome, ...]:
        """The outcomes of the whole float chain, with the classifier if there is one."""
        return self.outcomes.get(FLOAT, self.outcomes[BARE])


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of one recipe on the same data, which differ only in their seeds. name: unique."""

    name: str
    runs: tuple[MeasuredRun, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        return self.runs[0].record.kinds


def measure(folder: Path, reported: Reported | None = None) -> MeasuredRun:
    """Evaluate a completed run.

    Blocks while the detector runs once on each validation picture and the rest of the chain twice.
    Raises DataError for a folder without a completed run, for changed data, and for reports of
    other pictures.
    """
    run = Run(folder)
    record, result = run.record(), run.result()
    dataset, by_name = run.open_data()
    pictures = load_pictures(dataset, tuple(by_name[name] for name in record.validation))
    outcomes = _float(run, record, result, pictures)
    if reported is not None:
        outcomes[INT8] = _station(dataset, run, reported)
    return MeasuredRun(folder, record, result, outcomes)


def group(measured: Sequence[MeasuredRun]) -> tuple[Group, ...]:
    """Return groups of runs that have the same data and differ only in seeds, in their first order.

    A group has the name of its recipe, followed by the data's folder if the recipe was trained on
    several data sets. Different recipes of one name are numbered.
    """
    alike: dict[tuple[str, str], list[MeasuredRun]] = {}
    for one in measured:
        alike.setdefault((_without_seeds(one.record.recipe), one.record.data), []).append(one)
    groups: dict[str, Group] = {}
    for runs in alike.values():
        record = runs[0].record
        data = {m.record.data for m in measured if m.record.recipe.name == record.recipe.name}
        base = record.recipe.name + (f" {Path(record.data).name}" if len(data) > 1 else "")
        name, number = base, 1
        while name in groups:
            number += 1
            name = f"{base} {number}"
        groups[name] = Group(name, tuple(runs))
    return tuple(groups.values())


def _without_seeds(recipe: Recipe) -> str:
    split = recipe.split.model_copy(update={"seed": 0})
    return recipe.model_copy(update={"seed": 0, "split": split}).model_dump_json()


def _float(
    run: Run, record: RunRecord, result: RunResult, pictures: tuple[Picture, ...]
) -> dict[str, tuple[PictureOutcome, ...]]:
    detector = RunOnce(detector_of(run.load_detector(), record.channels, record.alignment))
    chain = result.chain()
    kinds = tuple(KindManifest(name=kind) for kind in record.kinds)
    named = run.load_classifier()
    classifiers: dict[str, Classifier] = {BARE: SingleKindClassifier(kinds)}
    if named is not None:
        classifiers = {FLOAT: _vote(named, record, kinds, result.keep_severity), **classifiers}
    return {
        name: evaluate(
            Inspector(detector, classifier, chain, kinds, time.perf_counter_ns),
            pictures,
            record.kinds,
        )
        for name, classifier in classifiers.items()
    }


def _vote(
    network: BlockClassifier,
    record: RunRecord,
    kinds: tuple[KindManifest, ...],
    keep_severity: float,
) -> BlockVote:
    return BlockVote(
        TorchBlocks(network, record.channels),
        network.size_px,
        record.channels,
        kinds,
        keep_severity=keep_severity,
    )


def _station(dataset: DataSet, run: Run, reported: Reported) -> tuple[PictureOutcome, ...]:
    """Return the outcomes of the station, in the order of the validation pictures."""
    wanted = run.record().validation
    by_name = {o.name: o for o in score(dataset, reported.results, reported.masks)}
    missing = [name for name in wanted if name not in by_name]
    if missing or len(by_name) != len(wanted):
        what = f"{missing[0]} is missing" if missing else "it holds others too"
        raise DataError(
            f"{reported.results}: {what}; expected the {len(wanted)} pictures of "
            f"{run.validation_list}"
        )
    return tuple(by_name[name] for name in wanted)
