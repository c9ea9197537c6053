"""`python -m bench.papertables`: the tables and figures of the paper for your own runs.

python -m bench.papertables --run runs/a --run runs/b --out tables
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cv2
import torch
import typer
from rich.console import Console

from bench.papertables.figures import (
    confusion_figure,
    iou_figure,
    kind_figure,
    threshold_figure,
)
from bench.papertables.measure import FLOAT, Group, Reported, group, measure
from bench.papertables.tables import (
    classifier_table,
    confusion_table,
    defect_table,
    kind_table,
    overview_table,
    pixel_table,
    runs_table,
    source,
)
from edge.errors import OutfeedError, UsageError
from edge.terminals import tolerate
from edge.validation_messages import one_line
from models.evaluation.metrics import TOLERANCE_PX
from models.training.progress import announced, track

NOTES = f"""\
Tables and figures have the numbers of He & Liu, IEEE Access 8:35583 (2020), section IV. The runs
and their pictures are your own, so only rows of one table can be compared. Several runs of a recipe
are one row: mean ± standard deviation (n − 1). "float" is the trained chain with its classifier,
and "station" the output of `outfeed inspect`. A dash means that there was nothing to count.

Precision, recall and F1 count pixels. "Each picture" is the mean over defective pictures. "All
pictures" counts the pixels of all pictures together, good ones included. The paper does not name
its choice; Tables 5 and 7 have the former. "Within {TOLERANCE_PX:g} px": a reported pixel is right
if an annotated one is so near, and an annotated pixel is found if a reported one is so near. AR is
equation (3). Over annotated defects it uses the IoU of the best report for each. Over defective
pictures it uses the IoU of all reports together. Mean IoU is over defective pictures.
"""


def write(groups: Sequence[Group], out: Path, command: str) -> Path:
    """Write tables.md and its figures into the folder ``out``, and return the path of tables.md.

    Raises OSError when a file cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    all_runs = source([run for group in groups for run in group.runs], command)

    def figure(name: str, svg: str) -> str:
        (out / name).write_text(svg, encoding="utf-8")
        return f"![{Path(name).stem}]({name})\n"

    parts = [
        "# The tables of the paper for your own runs\n",
        NOTES,
        "## Runs\n",
        runs_table(groups),
    ]

    def section(title: str, *content: str, origin: str = all_runs) -> None:
        parts.extend((f"## {title}\n", *content, f"{origin}\n"))

    section("Overview", overview_table(groups))
    section("Table 4: pixels", pixel_table(groups))
    section("Table 5: defects", defect_table(groups))
    section("Table 7: with and without the classifier", classifier_table(groups))
    section(
        "Figures 16 and 17: the search for T",
        "Before the classifier, as in the search of the run.\n",
        figure("threshold.svg", threshold_figure(groups)),
    )
    for one in groups:
        origin = source(one.runs, command)
        slug = one.name.replace(" ", "-")
        section(
            f"Figures 9 and 13: defects against the IoU threshold, {one.name}",
            figure(f"iou-{slug}.svg", iou_figure(one)),
            origin=origin,
        )
        section(
            f"By kind: {one.name}",
            kind_table(one),
            figure(f"kinds-{slug}.svg", kind_figure(one)),
            origin=origin,
        )
        if all(FLOAT in run.outcomes for run in one.runs):
            section(
                f"Table 6: kinds confused, {one.name}",
                "Each annotated defect counts under the kind of the report that covers it best, at "
                "any IoU. The last column counts defects without any report. All runs together.\n",
                confusion_table(one),
                figure(f"confusion-{slug}.svg", confusion_figure(one)),
                origin=origin,
            )
    parts.append("`python bench/batch.py` makes Table 8, time against batch size.\n")
    path = out / "tables.md"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def main(
    run: Annotated[list[Path], typer.Option(help="Folder of a completed run; repeat for more.")],
    out: Annotated[Path, typer.Option(help="Folder for tables.md and the figures.")],
    results: Annotated[
        list[Path] | None, typer.Option(help="results.jsonl of outfeed inspect, one per --run.")
    ] = None,
    masks: Annotated[
        list[Path] | None, typer.Option(help="Folder of its --masks, one per --run.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="Cores to use; 0 for all.")] = 0,
) -> None:
    """Write the paper's tables and figures for completed runs."""
    console, errors = Console(), Console(stderr=True)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    words = ["python", "-m", "bench.papertables"]
    for option, paths in (("--run", run), ("--results", results), ("--masks", masks)):
        words += [word for path in paths or () for word in (option, str(path))]
    command = shlex.join([*words, "--out", str(out)])
    try:
        given = _reported(len(run), results or [], masks or [])
        pairs = list(zip(run, given, strict=True))
        with announced():
            measured = [measure(folder, files) for folder, files in track(pairs, "measuring runs")]
        path = write(group(measured), out, command)
    except (OutfeedError, OSError) as error:
        errors.print(
            f"papertables: {one_line(error)}", highlight=False, soft_wrap=True, markup=False
        )
        sys.exit(error.exit_status if isinstance(error, OutfeedError) else 1)
    console.print(f"{path}", highlight=False, soft_wrap=True)


def _reported(
    runs: int, results: Sequence[Path], masks: Sequence[Path]
) -> tuple[Reported | None, ...]:
    """Return the files of the station for each run. Raises UsageError for unequal counts."""
    if not results and not masks:
        return (None,) * runs
    if len(results) != runs or len(masks) != runs:
        raise UsageError(
            f"{runs} --run, {len(results)} --results, {len(masks)} --masks; expected as many of "
            "each, in the same order, or no --results and --masks"
        )
    return tuple(Reported(*pair) for pair in zip(results, masks, strict=True))


if __name__ == "__main__":
    tolerate()
    typer.run(main)
