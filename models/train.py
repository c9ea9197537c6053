"""`make train`: from a folder of pictures to a run that `make export` can pack.

Detector, T, classifier, evaluation; each step is skipped when a killed run had finished it. Methods
that learn from good parts take the defective ones for checking, drawn or not.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from edge.bundle import ChainManifest, KindManifest
from edge.chain.classify import KEEP_NONE, BlockVote
from edge.chain.detect import Detector
from edge.records import SeverityMap
from models import auto
from models.background import search_background
from models.blocks import collect_regions
from models.classifier import train_classifier
from models.data.dataset import DataError, DataSet, Sample
from models.data.split import split
from models.evaluate import evaluate
from models.float_chain import RunOnce, TorchBlocks, detector_of, float_inspector
from models.methods import METHODS, Task
from models.metrics import summarise
from models.networks import BlockClassifier
from models.patches import Picture, load_pictures
from models.recipe import Recipe, SplitRecipe, load_recipe
from models.report import write_report
from models.run import CurvePoint, Run, RunRecord, RunResult, open_data
from models.threshold import ThresholdSearch, search_threshold

log = logging.getLogger(__name__)


def train(data: Path, recipe: Recipe | None, out: Path, groups: str | None = None) -> RunResult:
    """Train everything that the recipe names. Blocks for minutes to hours; may be killed and
    called again.

    recipe: None chooses one from the data (models/auto.py) and logs why. groups: in place of the
    recipe's split.groups. Raises DataError for data that cannot be trained on.
    """
    told = recipe.split if recipe is not None else SplitRecipe()
    if groups is not None:
        told = told.model_copy(update={"groups": groups})
    dataset = open_data(data, told)
    settings = told if recipe is not None else auto.choose_split(dataset)
    divided = split(dataset, settings.validation_share, settings.seed)
    pictures = load_pictures(dataset, divided.train)
    held_back = load_pictures(dataset, divided.validation)
    if recipe is None:
        _check(dataset, pictures, held_back, good_only=False)
        choice = auto.choose_recipe(dataset, divided, pictures)
        for line in auto.describe(choice):
            log.info("auto %s", line)
        recipe = choice.recipe
    settings = settings.model_copy(update={"groups": told.groups})
    method = METHODS[recipe.method]
    validation, unmasked = divided.validation, divided.unmasked
    if method.good_only:
        # Who need not be told where a defect is may be checked on one that nobody drew.
        validation, unmasked = tuple(sorted((*validation, *unmasked), key=_name)), ()
        held_back = load_pictures(dataset, validation)
    _check(dataset, pictures, held_back, good_only=method.good_only)
    classified = recipe.classifier.enabled and any(p.kind_map.any() for p in pictures)
    if recipe.classifier.enabled and not classified:
        log.info("classifier off: no training picture carries an annotated defect")
    off = recipe.classifier.model_copy(update={"enabled": classified})
    recipe = recipe.model_copy(update={"split": settings, "classifier": off})
    run = Run(out)
    run.begin(
        RunRecord(
            recipe=recipe,
            data=str(data.resolve()),
            layout=dataset.layout,
            kinds=dataset.kinds,
            channels=dataset.channels,
            train=tuple(sample.name for sample in divided.train),
            validation=tuple(sample.name for sample in validation),
            unmasked=tuple(sample.name for sample in unmasked),
        )
    )
    lines = [str(sample.image_path.resolve()) for sample in validation]
    run.validation_list.write_text("\n".join(lines) + "\n", encoding="utf-8")

    trained = method.train(
        Task(
            pictures=pictures,
            held_back=held_back,
            kinds=dataset.kinds,
            channels=dataset.channels,
            recipe=recipe,
            checkpoint=run.detector_checkpoint,
        )
    )
    run.save_detector(trained.detector)
    detector = detector_of(trained.detector, dataset.channels)
    # T, keep_severity and the figures ask for the same maps.
    detected = RunOnce(detector)
    drawn = tuple(picture for picture in held_back if not picture.sample.unmasked)
    found = search_threshold(
        (detected.detect(picture.pixels), picture.kind_map > 0) for picture in drawn
    )
    threshold = recipe.chain.threshold or found.best
    log.info("threshold T=%.1f mean_iou=%.3f", threshold, found.best_iou)

    classifier: BlockClassifier | None = None
    classifier_loss: list[tuple[int, float]] = []
    if recipe.classifier.enabled:
        maps = tuple(_map(detector, picture) for picture in pictures)
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
        curve=_curve(found),
        metrics=metrics,
        detector_loss=tuple(trained.loss),
        classifier_loss=tuple(classifier_loss),
    )
    run.finish(result)
    return result


def _name(sample: Sample) -> str:
    return sample.name


def _check(
    dataset: DataSet,
    pictures: tuple[Picture, ...],
    held_back: tuple[Picture, ...],
    *,
    good_only: bool,
) -> None:
    """Raises DataError where a method has nothing to learn from, or nothing to be judged on."""
    for side, some in (("training", pictures), ("validation", held_back)):
        if good_only:
            if not any(picture.sample.is_good for picture in some):
                raise DataError(
                    f"{dataset.root}: no {side} picture is of a good part; expected at least two "
                    "good parts"
                )
        elif not any(picture.kind_map.any() for picture in some):
            raise DataError(
                f"{dataset.root}: no {side} picture carries an annotated defect; "
                "expected masks of some (at least two parts with each kind)"
            )


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


def _curve(found: ThresholdSearch) -> tuple[CurvePoint, ...]:
    ious = found.mean_iou or (None,) * len(found.thresholds)
    columns = zip(found.thresholds, ious, found.false_alarms, strict=True)
    return tuple(
        CurvePoint(threshold=t, mean_iou=iou, false_alarms=alarms) for t, iou, alarms in columns
    )


def print_metrics(console: Console, metrics: dict[str, dict[str, float]]) -> None:
    """A table with a column per chain."""
    table = Table("metric", *metrics)
    for name in dict.fromkeys(name for values in metrics.values() for name in values):
        table.add_row(name, *(_cell(values.get(name)) for values in metrics.values()))
    console.print(table)


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def main(
    data: Annotated[Path, typer.Option(help="Folder of pictures and masks.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; taken up where it was left.")],
    recipe: Annotated[
        str, typer.Option(help="'auto', a name in models/recipes, or a .toml file.")
    ] = auto.NAME,
    groups: Annotated[
        str | None,
        typer.Option(help="Regular expression; its first group is the part a picture shows."),
    ] = None,
    threads: Annotated[int, typer.Option(help="Cores to use; 0 for all.")] = 0,
) -> None:
    """Train detector and classifier on annotated pictures, search T, and evaluate."""
    console = Console()
    try:
        loaded = None if recipe == auto.NAME else load_recipe(recipe)
        out.mkdir(parents=True, exist_ok=True)
        handlers: list[logging.Handler] = [
            logging.StreamHandler(),
            logging.FileHandler(out / "train.log"),
        ]
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=handlers)
        # torch's own default counts hyper-threads as half a core and leaves them idle.
        torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
        result = train(data, loaded, out, groups)
        report = write_report(Run(out))
    except (DataError, OSError) as error:
        console.print(f"[red]train:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print(f"stopped; the same command goes on from the last checkpoint in {out}")
        sys.exit(130)
    print_metrics(console, result.metrics)
    console.print(f"T = {result.threshold:.1f}. See {report}. Next: make export RUN={out}")


if __name__ == "__main__":
    typer.run(main)
