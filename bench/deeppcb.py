"""Measure the template method on DeepPCB: each test picture against its own template.

    python -m bench.deeppcb --data FOLDER --official

The template of each pair becomes a golden image (models/methods/template/training.py, one good
part). Its test picture passes the detector, filter and components of a station. The training pairs
select three settings by F1: T, the distance at which regions are joined, and the margin of the
annotators' boxes. They also train the block classifier, which names kinds. The figures are of the
other pairs. The rule of the data set decides whether a reported box is right (bench/boxes.py).
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.boxes import NOT_FOUND, BoxCounts, LabelledBox, count, pair, widened
from bench.public_sets.protocols.deeppcb import DEEPPCB
from edge.bundle import KindManifest
from edge.chain.classify import BlockVote, Classifier
from edge.chain.components import components
from edge.chain.filter import apply_threshold
from edge.chain.template.detector import TOP, TemplateDetector
from edge.chain.template.file import TemplateFile
from edge.records import Box, Defect, Region, SeverityMap
from models.data.dataset import DataError, DataSet, Sample
from models.data.deeppcb import pairs
from models.data.layouts import open_dataset
from models.data.split import split
from models.evaluation.float_chain import TorchBlocks
from models.methods.recipe import TemplateRecipe
from models.methods.template.training import make_template
from models.networks import BlockClassifier
from models.training.blocks import collect_regions
from models.training.classifier import train_classifier
from models.training.patches import Picture
from models.training.recipe import Recipe, load_recipe

# Severity 12 is black in the place of white, at the least spread. A template of one picture has no
# other good parts from which to derive a scale.
UNIT_GREY = 255.0 / TOP
THRESHOLDS = np.round(np.arange(3.0, 11.5, 0.5), 1).tolist()
JOINS_PX = (4.0, 8.0, 12.0, 16.0)
MARGINS_PX = (0, 5, 8, 10, 12, 14)


@dataclass(frozen=True, slots=True)
class InspectedPicture:
    """A test picture, its severity map by the detector of its template, and the detector's time."""

    picture: Picture
    severity: SeverityMap
    detect_ms: float

    @property
    def annotated(self) -> tuple[LabelledBox, ...]:
        boxes = self.picture.sample.boxes
        return tuple(LabelledBox(Box(b.left, b.top, b.right, b.bottom), b.kind) for b in boxes)

    def regions(self, threshold: float, join_px: float) -> tuple[Region, ...]:
        mask = apply_threshold(self.severity, threshold, *self.picture.kind_map.shape)
        return components(mask, join_px).regions if mask is not None else ()

    def boxes(self, regions: Sequence[Region | Defect], margin_px: int) -> tuple[LabelledBox, ...]:
        """Return the boxes of regions, widened as the annotators do, with their kinds if known."""
        height, width = self.picture.kind_map.shape
        marked = []
        for each in regions:
            region, kind = (each.region, each.kind) if isinstance(each, Defect) else (each, "")
            marked.append(LabelledBox(widened(region.box, margin_px, height, width), kind))
        return tuple(marked)


@dataclass(frozen=True, slots=True)
class Setting:
    """The settings that the training pairs select."""

    threshold: float
    join_px: float
    margin_px: int


def inspect(
    dataset: DataSet, chosen: Iterable[tuple[Sample, Sample]], recipe: TemplateRecipe
) -> tuple[InspectedPicture, ...]:
    """Return the maps of the test pictures, each by a detector of its template alone."""
    inspected = []
    for template, test in chosen:
        file = make_template([dataset.load_image(template)], recipe)
        unit = UNIT_GREY / recipe.noise_grey
        scaled = TemplateFile(file.header.model_copy(update={"unit": unit}), file.references)
        detector = TemplateDetector(scaled)
        picture = Picture(test, *dataset.load_pair(test))
        start_ns = time.perf_counter_ns()
        severity = detector.detect(picture.pixels)
        taken_ms = (time.perf_counter_ns() - start_ns) / 1e6
        inspected.append(InspectedPicture(picture, severity, taken_ms))
    return tuple(inspected)


def choose(inspected: Sequence[InspectedPicture]) -> Setting:
    """Return the setting with the highest F1, without regard to kinds; the first of equal ones.

    T is chosen first, then the distance and the margin at that T, then T again.
    """
    setting = Setting(THRESHOLDS[0], JOINS_PX[1], MARGINS_PX[3])
    for turn in range(3):
        at = setting
        trials = (
            product((at.threshold,), JOINS_PX, MARGINS_PX)
            if turn == 1
            else product(THRESHOLDS, (at.join_px,), (at.margin_px,))
        )
        setting = max((Setting(*one) for one in trials), key=partial(_f1, inspected))
    return setting


def _f1(inspected: Sequence[InspectedPicture], setting: Setting) -> float:
    counts = (
        count(reported(each, setting, None), each.annotated, same_kind=False) for each in inspected
    )
    return sum(counts, BoxCounts()).f1


def name_kinds(
    inspected: Sequence[InspectedPicture], setting: Setting, dataset: DataSet, recipe: Recipe
) -> BlockClassifier:
    """Train the block classifier on annotated boxes and on regions reported outside them."""
    pictures = tuple(each.picture for each in inspected)
    maps = tuple(each.severity for each in inspected)
    regions = collect_regions(pictures, maps, setting.threshold, setting.join_px)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "classifier.ckpt"
        kinds = len(dataset.kinds)
        return train_classifier(pictures, regions, kinds, dataset.channels, recipe, checkpoint)[0]


def _block_vote(
    inspected: Sequence[InspectedPicture],
    setting: Setting,
    dataset: DataSet,
    recipe: Recipe,
    steps: int,
) -> BlockVote:
    """Train the block classifier for ``steps`` steps and return the step of the chain with it."""
    options = recipe.classifier.model_copy(update={"steps": steps})
    recipe = recipe.model_copy(update={"classifier": options})
    trained = name_kinds(inspected, setting, dataset, recipe)
    return BlockVote(
        TorchBlocks(trained, dataset.channels),
        trained.size_px,
        dataset.channels,
        tuple(KindManifest(name=kind) for kind in dataset.kinds),
    )


def reported(
    each: InspectedPicture, setting: Setting, classifier: Classifier | None
) -> tuple[LabelledBox, ...]:
    """Return the reported boxes; with a classifier, their kinds, and without background."""
    regions = each.regions(setting.threshold, setting.join_px)
    if classifier is None or not regions:
        return each.boxes(regions, setting.margin_px)
    named = classifier.classify(each.picture.pixels, regions)
    defects = [one for one in named if isinstance(one, Defect)]
    return each.boxes(defects, setting.margin_px)


def show_counts(console: Console, title: str, rows: dict[str, BoxCounts]) -> None:
    table = Table(title, "precision", "recall", "F1", "right", "reported", "annotated")
    for name, row in rows.items():
        shares = (f"{share:.4f}" for share in (row.precision, row.recall, row.f1))
        table.add_row(name, *shares, str(row.right), str(row.reported), str(row.annotated))
    console.print(table)


def confusion(
    results: Iterable[tuple[tuple[LabelledBox, ...], tuple[LabelledBox, ...]]],
    kinds: tuple[str, ...],
) -> Table:
    """Return the table of annotated kinds against reported kinds, of boxes that match."""
    numbers: Counter[tuple[str, str]] = Counter()
    for boxes, annotated in results:
        places = pair(boxes, annotated, same_kind=False)
        for truth, place in zip(annotated, places, strict=True):
            numbers[truth.kind, NOT_FOUND if place is None else boxes[place].kind] += 1
    columns = (*kinds, NOT_FOUND)
    table = Table("annotated \\ reported", *columns, "recall")
    for kind in kinds:
        row = [numbers[kind, column] for column in columns]
        recall = 1.0 - row[-1] / max(sum(row), 1)
        table.add_row(kind, *(str(number) for number in row), f"{recall:.4f}")
    return table


def _measure(
    console: Console,
    dataset: DataSet,
    train: Sequence[tuple[Sample, Sample]],
    test: Sequence[tuple[Sample, Sample]],
    recipe: Recipe,
    steps: int,
) -> None:
    """Print the figures of the test pairs, with registration and without.

    steps: of the classifier, which is trained once; 0 for no classifier.
    """
    classify: Classifier | None = None
    for is_registered in (True, False):
        variant = recipe.template.model_copy(update={"registration": is_registered})
        if not is_registered:
            variant = variant.model_copy(update={"min_match": 0.01})
        trained_on = inspect(dataset, track(train, console=console), variant)
        measured = inspect(dataset, track(test, console=console), variant)
        setting = choose(trained_on)
        if steps and classify is None:
            classify = _block_vote(trained_on, setting, dataset, recipe, steps)
        title = "registered" if is_registered else "not registered"
        median_ms = float(np.median([each.detect_ms for each in measured]))
        console.print(f"{title}: {setting}, detector {median_ms:.1f} ms a picture (median)")
        plain = [(reported(each, setting, None), each.annotated) for each in measured]
        rows = {"any kind": sum((count(*each, same_kind=False) for each in plain), BoxCounts())}
        if classify is not None:
            named = [(reported(each, setting, classify), each.annotated) for each in measured]
            for label, same in (("any kind, without background", False), ("its kind", True)):
                counts = (count(*each, same_kind=same) for each in named)
                rows[label] = sum(counts, BoxCounts())
            console.print(confusion(named, dataset.kinds))
        show_counts(console, title, rows)


def main(
    data: Annotated[Path, typer.Option(help="Folder of DeepPCB as published.")],
    share: Annotated[float, typer.Option(help="Share of the pairs that is measured.")] = 0.4,
    seed: Annotated[int, typer.Option(help="Seed of the division of the pairs.")] = 0,
    every: Annotated[int, typer.Option(min=1, help="Use every nth pair only.")] = 1,
    steps: Annotated[
        int, typer.Option(min=0, help="Steps of the classifier; 0: no classifier.")
    ] = 1000,
    official: Annotated[
        bool,
        typer.Option(
            "--official", help="The division of trainval.txt and test.txt, in place of --share."
        ),
    ] = False,
    recipe: Annotated[str, typer.Option(help="A name in models/recipes, or a .toml.")] = "template",
) -> None:
    """Inspect each test picture against its template, and score by the rule of the data set."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)  # the confusion of six kinds
    logging.basicConfig(level=logging.WARNING)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        loaded = load_recipe(recipe)
        dataset = open_dataset(data)
        every_pair = pairs(dataset)[::every]
        measured = DEEPPCB.folds(data)[0].test() if official else ()
        if not official:
            measured = split(dataset, share, seed).validation
        held_back = {sample.name for sample in measured}
        train = [each for each in every_pair if each[1].name not in held_back]
        test = [each for each in every_pair if each[1].name in held_back]
        if not train or not test:
            raise DataError(
                f"{data}: too few pairs; expected at least one to train on and one to measure"
            )
        console.print(f"{len(train)} pairs to choose and train on, {len(test)} measured")
        _measure(console, dataset, train, test, loaded, steps)
    except (DataError, OSError) as error:
        console.print(f"[red]deeppcb:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
