"""Compare three ways to label the same defects: masks, filled boxes, and boxes as weak labels.

    python -m bench.weak_boxes --data ../shared/data/magnetic_tile --kind blowhole --kind crack \
        --parts 36 --steps 300 --seed 0 --seed 1 --out build/weak-boxes

A third of the pictures of a data set with masks is set aside for the test, by physical part. The
others are written to three folders: with the masks, with filled boxes as masks, and with a COCO
file of boxes. A network is trained on each folder with the same split. The pictures of the test
are then compared with their masks. The classifier is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
import torch
import typer

from edge.chain.filter import apply_threshold
from edge.records import SeverityMap
from models.data.dataset import DataSet, Pixels
from models.data.layouts import open_dataset
from models.evaluation.metrics import auroc
from models.evaluation.pixel_ranking import PixelCounts, pixel_severity
from models.networks import DetectorNetwork
from models.runs.run import Run
from models.training.detector import severity_map
from models.training.recipe import Recipe, load_recipe
from models.training.session import train_folder

MODES = ("masks", "filled", "boxes")
NEAR_PX = 9  # pieces of a mask that are nearer share a box
TEST_SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class TruePicture:
    """A picture and its masks. drawn: the kind and the pixels of each defect, bool H×W."""

    name: str
    group: str
    pixels: Pixels
    drawn: tuple[tuple[str, npt.NDArray[np.bool_]], ...]


def boxes_of(mask: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int, int, int]]:
    """Yield left, top, right and bottom (exclusive) of each defect of a mask, bool H×W."""
    near = cv2.dilate(mask.astype(np.uint8), np.ones((NEAR_PX, NEAR_PX), np.uint8))
    count, labels = cv2.connectedComponents(near)
    for label in range(1, count):
        rows, cols = np.nonzero(mask & (labels == label))
        if rows.size:
            yield int(cols.min()), int(rows.min()), int(cols.max()) + 1, int(rows.max()) + 1


def choose(dataset: DataSet, kinds: tuple[str, ...], parts: int) -> tuple[TruePicture, ...]:
    """Return the first pictures of each kind, and as many good ones. kinds: none means all."""
    found = []
    for kind in ("", *(kinds or dataset.kinds)):
        some = [s for s in dataset.samples if (kind in s.kinds if kind else s.is_good)]
        for sample in [s for s in some if not s.unmasked][:parts]:
            pixels, kind_map = dataset.load_pair(sample)
            drawn = tuple(
                (dataset.kinds[int(value) - 1], kind_map == value)
                for value in np.unique(kind_map[kind_map > 0])
            )
            if bool(drawn) == bool(kind):
                name = sample.name.replace("/", "_").rpartition(".")[0]
                found.append(TruePicture(f"{name}.png", sample.group, pixels, drawn))
    return tuple(found)


def write_folder(folder: Path, pictures: tuple[TruePicture, ...], mode: str) -> None:
    """Write the pictures with their labels: masks, filled boxes as masks, or a COCO file."""
    kinds = sorted({kind for picture in pictures for kind, _ in picture.drawn})
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        height, width = picture.pixels.shape[:2]
        cv2.imwrite(str(folder / "images" / picture.name), picture.pixels)
        images.append({"id": number, "file_name": picture.name, "width": width, "height": height})
        for kind, mask in picture.drawn:
            shown = np.zeros((height, width), np.uint8)
            for left, top, right, bottom in boxes_of(mask):
                shown[top:bottom, left:right] = 255
                box = [left, top, right - left, bottom - top]
                annotation = {"id": len(annotations), "image_id": number, "bbox": box}
                annotations.append({**annotation, "category_id": kinds.index(kind)})
            if mode != "boxes":
                shown = shown if mode == "filled" else mask.astype(np.uint8) * 255
                (folder / "masks" / kind).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / "masks" / kind / picture.name), shown)
    groups = "".join(f"{picture.name},{picture.group}\n" for picture in pictures)
    (folder / "groups.csv").write_text(f"file,group\n{groups}", encoding="utf-8")
    if mode == "boxes":
        categories = [{"id": place, "name": kind} for place, kind in enumerate(kinds)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "boxes.json").write_text(json.dumps(content), encoding="utf-8")


def set_aside(
    pictures: tuple[TruePicture, ...],
) -> tuple[tuple[TruePicture, ...], tuple[TruePicture, ...]]:
    """Return the pictures for training and T, and those of the test. Parts are never divided.

    The test has TEST_SHARE of the pictures of each first kind, and of the good ones, or more.
    """
    aside: set[str] = set()
    for kind in sorted({_first_kind(picture) for picture in pictures}):
        some = [picture for picture in pictures if _first_kind(picture) == kind]
        groups = sorted({picture.group for picture in some} - aside)
        np.random.default_rng(0).shuffle(groups)
        for group in groups:
            if sum(each.group in aside for each in some) >= TEST_SHARE * len(some):
                break
            aside.add(group)
    sides = ([p for p in pictures if (p.group in aside) is test] for test in (False, True))
    learned, tested = map(tuple, sides)
    return learned, tested


def _first_kind(picture: TruePicture) -> str:
    return picture.drawn[0][0] if picture.drawn else ""


@dataclass(frozen=True, slots=True)
class Figures:
    """Agreement of a network with the masks of pictures. auroc: of pictures, by their
    highest severity. pixel_ap: over all pixels. iou: mean over the defective pictures at T.
    missed, alarms: shares of defective and of good pictures at T."""

    auroc: float
    pixel_ap: float
    iou: float
    missed: float
    alarms: float


def compare(run: Run, pictures: tuple[TruePicture, ...], threshold: float) -> Figures:
    """Return the figures of a run at T. Blocks for a second for each picture."""
    network = run.load_detector()
    assert isinstance(network, DetectorNetwork)  # the recipe is one of regression
    counts = PixelCounts()
    ious, missed, alarms, highest = [], [], [], []
    for picture in pictures:
        size = picture.pixels.shape[:2]
        cells = severity_map(network, picture.pixels)
        severity = SeverityMap(cells, 1.0, 0, network.stride_px)
        mask = apply_threshold(severity, threshold, *size)
        shown, truth = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
        if mask is not None:
            height, width = mask.pixels.shape
            shown[mask.top : mask.top + height, mask.left : mask.left + width] = mask.pixels > 0
        for _, drawn in picture.drawn:
            truth |= drawn
        counts.add(pixel_severity(severity, *size), truth)
        highest.append(float(cells.max()))
        if picture.drawn:
            hit = int((shown & truth).sum())
            ious.append(hit / int((shown | truth).sum()))
            missed.append(not hit)
        else:
            alarms.append(bool(shown.any()))
    ranked = auroc([bool(picture.drawn) for picture in pictures], highest)
    means = (float(np.mean(each)) for each in (ious, missed, alarms))
    return Figures(ranked, counts.ranking().ap, *means)


def shortened(recipe: Recipe, steps: int, seed: int) -> Recipe:
    """Return the recipe with fewer steps, a seed and without its classifier."""
    detector = recipe.detector.model_copy(update={"steps": steps, "precision": "float32"})
    classifier = recipe.classifier.model_copy(update={"enabled": False})
    split = recipe.split.model_copy(update={"seed": seed})
    return recipe.model_copy(
        update={"detector": detector, "classifier": classifier, "seed": seed, "split": split}
    )


def main(
    data: Annotated[Path, typer.Option(help="Folder of pictures with masks.")],
    out: Annotated[Path, typer.Option(help="Folder for the three folders and runs.")],
    kind: Annotated[list[str] | None, typer.Option(help="Kinds; all without it.")] = None,
    parts: Annotated[int, typer.Option(help="Pictures of each kind, and good ones.")] = 30,
    recipe: Annotated[str, typer.Option(help="A name in models/recipes or a .toml file.")] = "lean",
    steps: Annotated[int, typer.Option(help="Steps of each training.")] = 300,
    threads: Annotated[int, typer.Option(help="Processor cores.")] = 1,
    seed: Annotated[list[int] | None, typer.Option(help="Seeds; 0 without it.")] = None,
    labels: Annotated[
        list[str] | None, typer.Option(help=f"Of {', '.join(MODES)}; all without it.")
    ] = None,
) -> None:
    """Train on masks, on filled boxes and on boxes as weak labels, and print a table."""
    if unknown := set(labels or ()) - set(MODES):
        raise typer.BadParameter(f"{min(unknown)!r}; expected {', '.join(MODES)}")
    torch.set_num_threads(threads)
    learned, tested = set_aside(choose(open_dataset(data), tuple(kind or ()), parts))
    bad = sum(bool(picture.drawn) for picture in tested)
    print(f"test: {bad} defective and {len(tested) - bad} good pictures", flush=True)
    print("| labels | seed | AUROC | AP of pixels | IoU at T | T | missed | alarms |")
    print("|---|---|---|---|---|---|---|---|")
    for number in seed or [0]:
        for mode in labels or MODES:
            folder = out / f"{mode}-{number}"
            write_folder(folder / "data", learned, mode)
            short = shortened(load_recipe(recipe), steps, number)
            t = train_folder(folder / "data", short, folder / "run").threshold
            found = compare(Run(folder / "run"), tested, t)
            print(
                f"| {mode} | {number} | {found.auroc:.3f} | {found.pixel_ap:.3f} | {found.iou:.3f} "
                f"| {t:.1f} | {found.missed:.2f} | {found.alarms:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    typer.run(main)
