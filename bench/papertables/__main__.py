"""`python -m bench.papertables`: the paper's tables and figures from one's own runs.

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
The numbers of tables and figures are those of He & Liu, IEEE Access 8:35583 (2020), section IV; the
runs and their pictures are one's own, so only rows of one table compare. Several runs of a recipe
are one row: mean ± standard deviation (n − 1). "float" is the trained chain with its classifier,
"station" what `outfeed inspect` wrote. A dash: there was nothing to count.

How it is counted: precision, recall and F1 are of pixels; "each picture" is the mean over
defective pictures, "all pictures" counts the pixels of all together, good ones too. The paper does
not say which it takes; Tables 5 and 7 have the former. "within {TOLERANCE_PX:g} px": a pixel
reported is right where an annotated one lies so near, and one annotated is found where a reported
one does. AR is equation (3), once over annotated defects with the IoU of the best report of each,
once over defective pictures with the IoU of all that was reported. Mean IoU is over defective
pictures.
"""


def write(groups: Sequence[Group], out: Path, command: str) -> Path:
    """tables.md and its figures in the folder ``out``, which is made. Returns tables.md. Raises
    OSError when it cannot be written."""
    out.mkdir(parents=True, exist_ok=True)
    origin = source([run for group in groups for run in group.runs], command)

    def figure(name: str, svg: str) -> str:
        (out / name).write_text(svg, encoding="utf-8")
        return f"![{Path(name).stem}]({name})\n"

    parts = ["# The paper's tables on one's own runs\n", NOTES, "## Runs\n", runs_table(groups)]

    def section(title: str, *content: str, said: str = origin) -> None:
        parts.extend((f"## {title}\n", *content, f"{said}\n"))

    section("Overview", overview_table(groups))
    section("Table 4: pixels", pixel_table(groups))
    section("Table 5: defects", defect_table(groups))
    section("Table 7: with and without the classifier", classifier_table(groups))
    section(
        "Figures 16 and 17: the search for T",
        "Before the classifier, as the run searched it.\n",
        figure("threshold.svg", threshold_figure(groups)),
    )
    for one in groups:
        said = source(one.runs, command)
        slug = one.name.replace(" ", "-")
        section(
            f"Figures 9 and 13: defects against the IoU threshold, {one.name}",
            figure(f"iou-{slug}.svg", iou_figure(one)),
            said=said,
        )
        section(
            f"By kind: {one.name}",
            kind_table(one),
            figure(f"kinds-{slug}.svg", kind_figure(one)),
            said=said,
        )
        if all(FLOAT in run.outcomes for run in one.runs):
            section(
                f"Table 6: kinds confused, {one.name}",
                "Each annotated defect under the kind of the report that covers it best, whatever "
                "its IoU; in the last column of counts where none touches it. All runs together.\n",
                confusion_table(one),
                figure(f"confusion-{slug}.svg", confusion_figure(one)),
                said=said,
            )
    parts.append("Table 8, time against batch size, is `python bench/batch.py`'s.\n")
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
            measured = [measure(folder, said) for folder, said in track(pairs, "measuring runs")]
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
