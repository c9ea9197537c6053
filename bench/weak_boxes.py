"""Compare three ways to label the same defects: masks, filled boxes, and boxes as weak labels.

    python -m bench.weak_boxes --data ../shared/data/magnetic_tile --kind blowhole --kind crack \
        --parts 30 --steps 300 --out build/weak-boxes

The pictures of a data set with masks are written to three folders: with the masks, with filled
boxes as masks, and with a COCO file of boxes. A network is trained on each folder with the
same split. The held-back pictures are then compared with the masks, also where the network never
saw one. The classifier is left out.
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
from models.networks import DetectorNetwork
from models.runs.run import Run
from models.training.detector import severity_map
from models.training.recipe import Recipe, load_recipe
from models.training.session import train_folder

MODES = ("masks", "filled", "boxes")
NEAR_PX = 9  # pieces of a mask that are nearer share a box


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


def compare(run: Run, pictures: tuple[TruePicture, ...], threshold: float) -> tuple[float, ...]:
    """Return IoU and precision of pixels, and the shares of parts missed and falsely reported.

    Only the held-back pictures of the run count, at T, compared with their masks.
    """
    network = run.load_detector()
    assert isinstance(network, DetectorNetwork)  # the recipe is one of regression
    held = {Path(name).name for name in run.record().validation}
    ious, precisions, missed, alarms = [], [], [], []
    for picture in pictures:
        if picture.name not in held:
            continue
        size = picture.pixels.shape[:2]
        severity = severity_map(network, picture.pixels)
        mask = apply_threshold(SeverityMap(severity, 1.0, 0, network.stride_px), threshold, *size)
        shown = np.zeros(size, np.bool_)
        if mask is not None:
            height, width = mask.pixels.shape
            shown[mask.top : mask.top + height, mask.left : mask.left + width] = mask.pixels > 0
        if not picture.drawn:
            alarms.append(bool(shown.any()))
            continue
        truth = np.any([each for _, each in picture.drawn], axis=0)
        hit = int((shown & truth).sum())
        ious.append(hit / int((shown | truth).sum()))
        precisions.append(hit / max(1, int(shown.sum())))
        missed.append(not hit)
    return tuple(float(np.mean(each)) for each in (ious, precisions, missed, alarms))


def shortened(recipe: Recipe, steps: int) -> Recipe:
    """Return the recipe with fewer steps and without its classifier."""
    detector = recipe.detector.model_copy(update={"steps": steps, "precision": "float32"})
    classifier = recipe.classifier.model_copy(update={"enabled": False})
    return recipe.model_copy(update={"detector": detector, "classifier": classifier})


def main(
    data: Annotated[Path, typer.Option(help="Folder of pictures with masks.")],
    out: Annotated[Path, typer.Option(help="Folder for the three folders and runs.")],
    kind: Annotated[list[str] | None, typer.Option(help="Kinds; all without it.")] = None,
    parts: Annotated[int, typer.Option(help="Pictures of each kind, and good ones.")] = 30,
    recipe: Annotated[str, typer.Option(help="A name in models/recipes or a .toml file.")] = "lean",
    steps: Annotated[int, typer.Option(help="Steps of each training.")] = 300,
    threads: Annotated[int, typer.Option(help="Processor cores.")] = 1,
) -> None:
    """Train on masks, on filled boxes and on boxes as weak labels, and print a table."""
    torch.set_num_threads(threads)
    pictures = choose(open_dataset(data), tuple(kind or ()), parts)
    print("| labels | T | IoU | precision of pixels | missed parts | false alarms |")
    print("|---|---|---|---|---|---|")
    for mode in MODES:
        write_folder(out / mode / "data", pictures, mode)
        result = train_folder(
            out / mode / "data", shortened(load_recipe(recipe), steps), out / mode / "run"
        )
        figures = compare(Run(out / mode / "run"), pictures, result.threshold)
        cells = " | ".join(f"{figure:.3f}" for figure in figures)
        print(f"| {mode} | {result.threshold:.1f} | {cells} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
