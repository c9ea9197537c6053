"""`make train`: from a folder of pictures to a run that `make export` can pack.

Detector, T, classifier, evaluation; each step is skipped when a killed run had finished it.
"""

from __future__ import annotations

import logging
import os
import sys
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
from models.data.dataset import DataError, DataSet
from models.data.split import split
from models.detector import severity_map, train_detector
from models.evaluate import evaluate
from models.float_chain import RunOnce, TorchBlocks, TorchDetector, float_inspector
from models.metrics import summarise
from models.networks import BlockClassifier, DetectorNetwork
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
    _check(dataset, pictures, held_back)
    if recipe is None:
        choice = auto.choose_recipe(dataset, divided, pictures)
        for line in auto.describe(choice):
            log.info("auto %s", line)
        recipe = choice.recipe
    settings = settings.model_copy(update={"groups": told.groups})
    recipe = recipe.model_copy(update={"split": settings})
    run = Run(out)
    run.begin(
        RunRecord(
            recipe=recipe,
            data=str(data.resolve()),
            layout=dataset.layout,
            kinds=dataset.kinds,
            channels=dataset.channels,
            train=tuple(sample.name for sample in divided.train),
            validation=tuple(sample.name for sample in divided.validation),
            unmasked=tuple(sample.name for sample in divided.unmasked),
        )
    )
    lines = [str(sample.image_path.resolve()) for sample in divided.validation]
    run.validation_list.write_text("\n".join(lines) + "\n", encoding="utf-8")

    detector, detector_loss = train_detector(
        pictures, dataset.kinds, dataset.channels, recipe, run.detector_checkpoint, held_back
    )
    run.save_detector(detector)
    # T, keep_severity and the figures ask for the same maps.
    detected = RunOnce(TorchDetector(detector, dataset.channels))
    found = search_threshold(
        (detected.detect(picture.pixels), picture.kind_map > 0) for picture in held_back
    )
    threshold = recipe.chain.threshold or found.best
    log.info("threshold T=%.1f mean_iou=%.3f", threshold, max(found.mean_iou))

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
    keep_severity = _keep_severity(detected, classifier, dataset, chain, held_back)

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
        detector_loss=tuple(detector_loss),
        classifier_loss=tuple(classifier_loss),
    )
    run.finish(result)
    return result


def _check(dataset: DataSet, pictures: tuple[Picture, ...], held_back: tuple[Picture, ...]) -> None:
    for side, some in (("training", pictures), ("validation", held_back)):
        if not any(picture.kind_map.any() for picture in some):
            raise DataError(
                f"{dataset.root}: no {side} picture carries an annotated defect; "
                "expected masks of some (at least two parts with each kind)"
            )


def _map(network: DetectorNetwork, picture: Picture) -> SeverityMap:
    return SeverityMap(severity_map(network, picture.pixels), 1.0, 0, network.stride_px)


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
    columns = zip(found.thresholds, found.mean_iou, found.false_alarms, strict=True)
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
