"""Score what `outfeed inspect` wrote against the annotation: the station's own words, judged.

outfeed inspect --list runs/X/validation.txt --bundle B --out results.jsonl --masks masks
python -m models.evaluation.score --data FOLDER --results results.jsonl --masks masks
"""

from __future__ import annotations

import json
import logging
import math
import sys
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
import typer
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console
from rich.table import Table

from edge.chain.components import components
from edge.chain.filter import Mask
from edge.records import Box
from edge.terminals import tolerate
from edge.validation_messages import several_lines
from models.data.dataset import DataError, DataSet, Sample, read_pixels
from models.data.layouts import open_dataset
from models.data.summary import account
from models.evaluation.interval import UNKNOWN
from models.evaluation.metrics import (
    COUNTS,
    JOIN_PX,
    WORDS,
    Metrics,
    PictureOutcome,
    confusion,
    outcome,
    summarise,
)

log = logging.getLogger(__name__)


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ReportedDefect(_Part):
    """The part of a defect's line in results.jsonl that is scored."""

    box: tuple[int, int, int, int]
    kind: str


class ReportedImage(_Part):
    """The part of a line of results.jsonl that is scored."""

    file: str
    decision: str
    score: float
    defects: tuple[ReportedDefect, ...]


def score(dataset: DataSet, results: Path, masks: Path) -> tuple[PictureOutcome, ...]:
    """One outcome per line of results.jsonl; masks mirrors its `file` with suffix .png.

    Raises DataError for a line, mask or image that is missing or does not fit.
    """
    found = []
    scored: set[str] = set()
    lines = _read(results)
    prefix = _prefix(dataset, [reported.file for _, reported in lines])
    for number, reported in lines:
        if _is_outside(dataset, reported.file):
            log.warning("not-scored file=%s: no picture of the data set", reported.file)
            continue
        sample = _sample(dataset, reported.file, prefix)
        if sample.name in scored:
            raise DataError(f"{results}:{number}: {reported.file} was scored before; expected once")
        scored.add(sample.name)
        dataset.verify((sample,))
        kind_map = dataset.load_kind_map(sample)
        mask = read_pixels(masks / Path(reported.file).with_suffix(".png"))
        if mask.shape != kind_map.shape:
            raise DataError(f"{masks}/{reported.file}: the mask is not of its image's size")
        labels, kinds = _labels(mask, reported.defects)
        found.append(
            outcome(
                sample.name,
                kind_map,
                dataset.kinds,
                labels,
                kinds,
                rejected=reported.decision != "PASS",
                score=reported.score,
                unmasked=sample.unmasked,
            )
        )
    if not found:
        raise DataError(f"{results}: holds no line")
    return tuple(found)


def _read(results: Path) -> list[tuple[int, ReportedImage]]:
    """Each line with its number. Raises DataError."""
    try:
        lines = results.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"{results}: cannot be read: {error.strerror}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append((number, ReportedImage.model_validate(json.loads(line))))
        except (json.JSONDecodeError, ValidationError) as error:
            raise DataError(f"{results}:{number}: is not a line of outfeed inspect") from error
    return found


def _matches(dataset: DataSet, file: str) -> list[Sample]:
    return [s for s in dataset.samples if s.name == file or s.name.endswith(f"/{file}")]


def _prefix(dataset: DataSet, files: list[str]) -> str | None:
    """The folder inside the data folder that was inspected, with its slash: the one below which
    every file is a picture of the data set; None where that is not one."""
    common: set[str] | None = None
    for file in files:
        found = {sample.name[: -len(file)] for sample in _matches(dataset, file)}
        if found:
            common = found if common is None else common & found
    return common.pop() if common is not None and len(common) == 1 else None


def _is_outside(dataset: DataSet, file: str) -> bool:
    """Return whether the file is in the data folder and is none of its pictures: inspect judges it
    too."""
    return not _matches(dataset, file) and (dataset.root / file).is_file()


def _sample(dataset: DataSet, file: str, prefix: str | None) -> Sample:
    matches = _matches(dataset, file)
    if prefix is not None:
        matches = [sample for sample in matches if sample.name == prefix + file]
    if len(matches) != 1:
        named = ", ".join(sample.name for sample in matches[:3])
        raise DataError(
            f"{file}: is {len(matches)} images of {dataset.root}"
            f"{f' ({named})' if named else ''}; expected one: inspect the folder that --data names"
        )
    return matches[0]


def _labels(
    mask: npt.NDArray[np.uint8], defects: tuple[ReportedDefect, ...]
) -> tuple[npt.NDArray[np.int64], list[str]]:
    """The mask split into defects again, each of the kind whose reported box fits it best."""
    pixels = (mask > 0).view(np.uint8)
    regions = components(Mask(pixels, pixels.astype(np.float32), 0, 0), JOIN_PX)
    kinds = [
        max(defects, key=lambda defect: _shared(region.box, defect.box)).kind if defects else ""
        for region in regions.regions
    ]
    return regions.labels.astype(np.int64), kinds


def _shared(box: Box, other: tuple[int, int, int, int]) -> float:
    width = min(box.right, other[2]) - max(box.left, other[0])
    height = min(box.bottom, other[3]) - max(box.top, other[1])
    shared = max(width, 0) * max(height, 0)
    area = (other[2] - other[0]) * (other[3] - other[1])
    return shared / (box.width * box.height + area - shared)


def show(
    console: Console, metrics: Metrics, table: npt.NDArray[np.int64], kinds: tuple[str, ...]
) -> None:
    """Print the metrics and the confusion of kinds."""
    figures = Table("metric", "value")
    values = metrics.as_dict()
    for name, words in WORDS.items():
        if name in values or name in COUNTS:
            known = f"{values[name]:.4f}".rstrip("0").rstrip(".") if name in values else UNKNOWN
            figures.add_row(words, known)
    console.print(figures)
    confused = Table("annotated \\ reported", *kinds, "not found")
    for kind, row in zip(kinds, table.tolist(), strict=True):
        confused.add_row(kind, *(str(n) for n in row))
    console.print(confused)


def _print_line(console: Console, text: str) -> None:
    """Print text without markup, colours or line breaks."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def main(
    data: Annotated[Path, typer.Option(help="Folder of pictures and masks.")],
    results: Annotated[Path, typer.Option(help="results.jsonl of outfeed inspect.")],
    masks: Annotated[Path, typer.Option(help="Folder that outfeed inspect --masks wrote.")],
    out: Annotated[Path | None, typer.Option(help="Write the metrics here as JSON.")] = None,
) -> None:
    """Score results.jsonl and masks of `outfeed inspect` against the annotation."""
    console = Console()
    cv2.setNumThreads(1)
    try:
        dataset = open_dataset(data)
        for line in account(dataset):
            _print_line(console, line)
        outcomes = score(dataset, results, masks)
        metrics = summarise(outcomes)
        show(console, metrics, confusion(outcomes, dataset.kinds), dataset.kinds)
        if out is not None:
            measures = metrics.as_measures().items()
            # null where there was nothing to count.
            known = {name: None if math.isnan(value) else value for name, value in measures}
            out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    except (DataError, OSError) as error:
        _print_line(Console(stderr=True), f"score: {several_lines(error)}")
        sys.exit(1)


if __name__ == "__main__":
    tolerate()
    typer.run(main)
