"""A training run: from a folder of pictures to what `make export` can pack.

Detector, T, classifier, evaluation; each step is skipped when a killed run had finished it. Methods
that learn from good parts take the defective ones for checking, drawn or not.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.bundle import ChainManifest, KindManifest
from edge.chain.classify import KEEP_NONE, BlockVote
from edge.chain.detect import Detector
from edge.records import SeverityMap
from models.data.dataset import DataSet
from models.evaluation.evaluate import evaluate
from models.evaluation.float_chain import RunOnce, TorchBlocks, detector_of, float_inspector
from models.evaluation.keep_severity import search_background
from models.evaluation.metrics import summarise
from models.evaluation.threshold import MOST_FALSE_ALARMS, ThresholdSearch, search_threshold
from models.methods.base import Task
from models.methods.registry import METHODS
from models.networks import BlockClassifier
from models.runs.preparation import Preparation, prepare
from models.runs.run import CurvePoint, Run, RunResult
from models.training.blocks import collect_regions
from models.training.classifier import train_classifier
from models.training.patches import Picture
from models.training.progress import stage, track
from models.training.recipe import Recipe

log = logging.getLogger(__name__)


def train(data: Path, recipe: Recipe | None, out: Path, groups: str | None = None) -> RunResult:
    """Train everything that the recipe names. Blocks for minutes to hours; may be killed and
    called again.

    recipe: None chooses one for regression from the data (models/training/auto.py) and logs why.
    groups: in place of the recipe's split.groups. Raises DataError for data that cannot be trained
    on.
    """
    return train_run(prepare(data, recipe, groups), Run(out))


def train_run(prepared: Preparation, run: Run) -> RunResult:
    """``train`` with the pictures read. Raises DataError when the run's folder holds another."""
    began = time.monotonic()
    record, dataset = prepared.record, prepared.dataset
    recipe, pictures, held_back = record.recipe, prepared.pictures, prepared.held_back
    run.begin(record)
    lines = [str(picture.sample.image_path.resolve()) for picture in held_back]
    run.validation_list.write_text("\n".join(lines) + "\n", encoding="utf-8")

    method = METHODS[recipe.method]
    task = Task(
        pictures=pictures,
        held_back=held_back,
        kinds=dataset.kinds,
        channels=dataset.channels,
        recipe=recipe,
        checkpoint=run.detector_checkpoint,
    )
    with stage(f"learning by the method {recipe.method} from {len(pictures)} pictures"):
        trained = method.train(task)
    run.save_detector(trained.detector)
    detector = detector_of(trained.detector, dataset.channels)
    # T, keep_severity and the figures ask for the same maps.
    detected = RunOnce(detector)
    drawn = tuple(picture for picture in held_back if not picture.sample.unmasked)
    found = search_threshold(
        (
            (detected.detect(picture.pixels), picture.kind_map > 0)
            for picture in track(drawn, "searching for T on the held-back pictures")
        ),
        recipe.chain.max_false_rejects,
        # A map of what good parts are not has halos: the best IoU may have an alarm on every part.
        MOST_FALSE_ALARMS if method.good_only else 1.0,
    )
    threshold = recipe.chain.threshold or found.best
    log.info("%s", _chosen(threshold, found, recipe.chain.threshold is not None))

    classifier: BlockClassifier | None = None
    classifier_loss: list[tuple[int, float]] = []
    if recipe.classifier.enabled:
        seen = track(pictures, "looking for regions on the training pictures")
        maps = tuple(_map(detector, picture) for picture in seen)
        with stage("collecting what the classifier learns from"):
            regions = collect_regions(pictures, maps, threshold, recipe.chain.join_px)
        classifier, classifier_loss = train_classifier(
            pictures,
            regions,
            len(dataset.kinds),
            dataset.channels,
            recipe,
            run.classifier_checkpoint,
        )
        run.save_classifier(classifier)

    chain = ChainManifest(threshold=threshold, join_px=recipe.chain.join_px)
    keep_severity = _keep_severity(detected, classifier, dataset, chain, drawn)

    def measure(some: BlockClassifier | None) -> dict[str, float]:
        kinds = tuple(KindManifest(name=kind) for kind in dataset.kinds)
        inspector = float_inspector(
            detected, some, dataset.channels, chain, kinds, keep_severity=keep_severity
        )
        with stage("measuring the chain on the held-back pictures"):
            return summarise(evaluate(inspector, held_back, dataset.kinds)).as_dict()

    metrics = {"float": measure(classifier)}
    if classifier is not None:
        metrics["float without classifier"] = measure(None)
    height, width = _usual_size(pictures)
    result = RunResult(
        threshold=threshold,
        join_px=recipe.chain.join_px,
        keep_severity=keep_severity,
        frame_height=height,
        frame_width=width,
        curve=curve_of(found),
        metrics=metrics,
        detector_loss=tuple(trained.loss),
        classifier_loss=tuple(classifier_loss),
        training_s=round(time.monotonic() - began, 1),
    )
    run.finish(result)
    return result


def _map(detector: Detector, picture: Picture) -> SeverityMap:
    """Of its own: a detector's map is valid until its next."""
    seen = detector.detect(picture.pixels)
    return replace(seen, values=seen.values.copy())


def _keep_severity(
    detector: Detector,
    classifier: BlockClassifier | None,
    dataset: DataSet,
    chain: ChainManifest,
    pictures: tuple[Picture, ...],
) -> float:
    if classifier is None:
        return KEEP_NONE
    kinds = tuple(KindManifest(name=kind) for kind in dataset.kinds)
    vote = BlockVote(
        TorchBlocks(classifier, dataset.channels), classifier.size_px, dataset.channels, kinds
    )
    found = search_background(detector, vote, chain, pictures)
    log.info("keep severity=%.2f", found.best)
    return found.best


def _usual_size(pictures: tuple[Picture, ...]) -> tuple[int, int]:
    """Height and width that 95 % of the pictures do not exceed."""
    sizes = np.array([picture.kind_map.shape for picture in pictures])
    height, width = np.percentile(sizes, 95, axis=0, method="higher").tolist()
    return int(height), int(width)


def _chosen(threshold: float, found: ThresholdSearch, named: bool) -> str:
    """T and why, in a line for people."""
    told = f"T = {threshold:.1f}"
    if named:
        return f"{told}, as the recipe says"
    if found.strays is not None:
        return (
            f"{told}, where the fewest of the defective pictures are missed or carry a region "
            "where nothing is drawn: no good part is here to count false rejects on"
        )
    if found.mean_iou is None:
        return f"{told}, from good parts alone: no defect is drawn"
    return f"{told}; the mean IoU of drawn and reported pixels is {found.best_iou:.3f} at best"


def curve_of(found: ThresholdSearch) -> tuple[CurvePoint, ...]:
    """The search as result.json keeps it."""
    nothing = (None,) * len(found.thresholds)
    columns = zip(
        found.thresholds,
        found.mean_iou or nothing,
        found.false_alarms or nothing,
        found.strays or nothing,
        strict=True,
    )
    return tuple(
        CurvePoint(threshold=t, mean_iou=iou, false_alarms=alarms, strays=stray)
        for t, iou, alarms, stray in columns
    )
