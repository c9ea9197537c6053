"""`make learn`: a new run and a new bundle from parts that people marked."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge.bundle import key_id, read_bundle
from edge.bundle.keys import public_of, read_private_key
from edge.bundle.version import VERSION_PATTERN
from edge.cli.passphrases import passphrase_of
from edge.errors import OutfeedError
from edge.terminals import tolerate
from edge.validation_messages import one_line
from export.errors import ExportError
from export.feedback.page import PAGE, worse
from export.feedback.retraining import LearnOptions, RetrainingResult, learn
from models.data.dataset import DataError
from models.evaluation.tradeoff.interval import counted
from models.feedback import ROUTES, Limits, Route
from models.report.exported import read_export
from models.runs.commands import make, outfeed
from models.runs.run import Run
from models.training.interrupts import as_keyboard
from models.training.progress import announced


def main(
    run: Annotated[Path, typer.Option(help="Folder of the run that is in use.")],
    quarantine: Annotated[
        Path, typer.Option(help="Folder of marked parts, some released (outfeed quarantine).")
    ],
    out: Annotated[Path | None, typer.Option(help="The new run's folder; RUN-learned.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle in use; the one that was exported from RUN.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Sign with this private key (outfeed bundle keygen).")
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="A file that holds the key's passphrase.")
    ] = None,
    route: Annotated[
        str,
        typer.Option(
            help="auto (the cheapest that will do), threshold, classifier, detector or method."
        ),
    ] = "auto",
    version: Annotated[str, typer.Option(help="The new bundle's; the old one raised by one.")] = "",
    held_back: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the marked parts that only judge.")
    ] = 0.4,
    enough: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the learned parts that ends the search.")
    ] = 0.9,
    new_escapes: Annotated[
        int, typer.Option(min=0, help="Parts that may be passed and were rejected, rightly.")
    ] = 0,
    more_false_rejects: Annotated[
        float, typer.Option(min=0, max=1, help="Share of old good parts that may be rejected more.")
    ] = 0.01,
    synthetic_escapes: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the made bad parts that may be lost."),
    ] = 0.05,
    fixed: Annotated[
        float, typer.Option(min=0, max=1, help="Share of held-back parts that must come right.")
    ] = 0.5,
    threads: Annotated[int, typer.Option(help="Cores to use; 0 for all.")] = 0,
) -> None:
    """Learn from released marked parts: T, the classifier or the detector, the cheapest first.

    The new bundle must decide the old golden frames as before and pass no part that was rejected,
    rightly; else one line says why, and nothing is written.
    """
    console = Console()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    try:
        options = LearnOptions(
            routes=_routes(route),
            limits=Limits(new_escapes, more_false_rejects, synthetic_escapes, fixed),
            held_back_share=held_back,
            enough=enough,
            version=_version(version),
        )
        signer = read_private_key(key, passphrase_of(key, passphrase_file)) if key else None
        old = read_bundle(bundle or _exported(run))
        target = out or _beside(run)
        with announced(), as_keyboard():
            found = learn(Run(run), old, quarantine, target, options, signer)
    except (ExportError, DataError, OutfeedError, OSError) as error:
        console.print(f"[red]learn:[/] {escape(one_line(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("stopped; nothing is written")
        sys.exit(130)
    console.print(_table(found))
    for line in worse(found.record):
        console.print(f"Attention: {line}", highlight=False, soft_wrap=True)
    console.print(
        f"{found.bundle_path}: {found.bundle.id}, by the route {found.record.route}; "
        f"{found.record.proven}; see {found.folder / PAGE}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"signed by key {key_id(public_of(signer))}"
        if signer
        else "unsigned: a station refuses it until "
        f"`{outfeed('bundle', 'sign', found.bundle_path, '--key', 'NAME.key')}`",
        highlight=False,
        soft_wrap=True,
    )


def _table(found: RetrainingResult) -> Table:
    table = Table("", "before", "now")
    for name, side in found.record.sides.items():
        table.add_row(
            f"{name}: escapes",
            counted(side.escapes_before, side.bad),
            counted(side.escapes_after, side.bad),
        )
        table.add_row(
            f"{name}: false rejects",
            counted(side.false_rejects_before, side.good),
            counted(side.false_rejects_after, side.good),
        )
    return table


def _exported(run: Path) -> Path:
    run = Run(run).folder
    record = read_export(run)
    if record is None:
        command = make("export", RUN=run)
        raise ExportError(f"{run}: nothing was exported from it; {command}, or give --bundle")
    path = record.bundle_path(run)
    if not path.is_file():
        raise ExportError(
            f"{path}: the bundle that was exported from {run} is not there; export it again, or "
            "give --bundle FILE (LEARN_ARGS)"
        )
    return path


def _beside(run: Path) -> Path:
    """The new run's folder where nobody names one."""
    folder = run if run.name else run.resolve()
    return folder.with_name(f"{folder.name}-learned")


def _routes(text: str) -> tuple[Route, ...]:
    if text == "auto":
        return ()
    found = tuple(route for route in ROUTES if route == text)
    if not found:
        raise ExportError(f"--route {text}: expected auto, {', '.join(ROUTES)}")
    return found


def _version(version: str) -> str:
    if version and re.fullmatch(VERSION_PATTERN, version) is None:
        raise ExportError(
            f"--version {version}: expected dotted numbers and perhaps a label, as 1.4 or 1.4+trial"
        )
    return version


app = typer.Typer(add_completion=False)
app.command()(main)

if __name__ == "__main__":
    tolerate()
    app()
