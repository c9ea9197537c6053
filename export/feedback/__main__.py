"""`make learn`: make a new run and a new bundle from marked parts."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import Annotated

import torch
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.table import Table

from edge.bundle import read_bundle
from edge.bundle.keys import read_private_key
from edge.bundle.version import VERSION_PATTERN
from edge.cli.passphrases import passphrase_of
from edge.errors import OutfeedError, UsageError
from edge.terminals import tolerate
from edge.validation_messages import one_line
from export.__main__ import print_error, signature_line
from export.errors import ExportError
from export.feedback.kept_work import work_folder
from export.feedback.page import PAGE, worse
from export.feedback.retraining import LearnOptions, RetrainingResult, learn
from models.evaluation.interval import counted
from models.feedback import ROUTES, Limits, Route
from models.report.exported import read_export
from models.runs.commands import make
from models.runs.run import Run
from models.training.allocator import keep_freed_memory
from models.training.device import AUTO, TrainingDevice, choose_device, usable_cores
from models.training.interrupts import as_keyboard
from models.training.progress import announced
from models.training.tables import print_line

_RunFolder = Annotated[Path, typer.Option(help="Folder of the run that is in use.")]
_Quarantine = Annotated[
    Path, typer.Option(help="Quarantine folder with released marked parts (outfeed quarantine).")
]
_Out = Annotated[Path | None, typer.Option(help="Folder of the new run; by default RUN-learned.")]
_BundleFile = Annotated[
    Path | None, typer.Option(help="The bundle in use; by default the one exported from RUN.")
]
_Key = Annotated[
    Path | None, typer.Option(help="Sign with this private key (outfeed bundle keygen).")
]
_PassphraseFile = Annotated[
    Path | None, typer.Option(help="A file that holds the key's passphrase.")
]
_RouteName = Annotated[
    str,
    typer.Option(help="threshold, classifier, detector or method; auto tries the cheapest first."),
]
_Version = Annotated[
    str, typer.Option(help="Version of the new bundle; by default the old one raised by one.")
]
_HeldBack = Annotated[
    float,
    typer.Option(
        min=0, max=0.9, help="Share of the marked parts that only check the result, 0 to 0.9."
    ),
]
_Enough = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="Share of right verdicts on learned parts that ends the search."
    ),
]
_NewEscapes = Annotated[
    int,
    typer.Option(min=0, help="Number of parts that may become escapes: rejected before, and bad."),
]
_MoreFalseRejects = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="Share of good validation parts that may become false rejects."
    ),
]
_SyntheticEscapes = Annotated[
    float,
    typer.Option(min=0, max=1, help="Share of synthetic bad parts that may become escapes."),
]
_Fixed = Annotated[
    float,
    typer.Option(min=0, max=1, help="Share of wrong verdicts on held-back parts to correct."),
]
_DeviceName = Annotated[
    str, typer.Option(help="Device on which networks learn: cpu, cuda, mps or auto.")
]
_Threads = Annotated[int, typer.Option(min=0, help="Processor cores to use; 0 for all.")]


def main(
    run: _RunFolder,
    quarantine: _Quarantine,
    out: _Out = None,
    bundle: _BundleFile = None,
    key: _Key = None,
    passphrase_file: _PassphraseFile = None,
    route: _RouteName = "auto",
    version: _Version = "",
    held_back: _HeldBack = 0.4,
    enough: _Enough = 0.9,
    new_escapes: _NewEscapes = 0,
    more_false_rejects: _MoreFalseRejects = 0.01,
    synthetic_escapes: _SyntheticEscapes = 0.05,
    fixed: _Fixed = 0.5,
    threads: _Threads = 0,
    device: _DeviceName = AUTO,
) -> None:
    """Retrain from released marked parts: T, the classifier or the detector, the cheapest first.

    The new bundle must give the same decisions on the old golden frames, and must not pass a bad
    part that the old bundle rejects. Otherwise one line states the reason, and nothing is written.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(threads or usable_cores())
    keep_freed_memory()
    target: Path | None = None
    try:
        options = LearnOptions(
            routes=_routes(route),
            limits=Limits(new_escapes, more_false_rejects, synthetic_escapes, fixed),
            held_back_share=held_back,
            enough=enough,
            version=_version(version),
            device=_device(device),
        )
        signer = read_private_key(key, passphrase_of(key, passphrase_file)) if key else None
        old = read_bundle(bundle or _exported(run))
        target = out or _beside(run)
        with announced(), as_keyboard():
            result = learn(Run(run), old, quarantine, target, options, signer)
    except (OutfeedError, OSError) as error:
        print_error(f"learn: {one_line(error)}")
        sys.exit(error.exit_status if isinstance(error, OutfeedError) else 1)
    except KeyboardInterrupt:
        goes_on = target is not None and work_folder(target).exists()
        how = "goes on from its finished steps" if goes_on else "begins anew"
        print_error(f"learn: stopped, and nothing is written; the same command {how}")
        sys.exit(130)
    _print_result(result, signer)


def _device(name: str) -> TrainingDevice:
    """Return the device that --device names. Raises UsageError."""
    try:
        return choose_device(name)
    except UsageError as error:
        raise UsageError(f"--{error}") from error


def _print_result(result: RetrainingResult, signer: Ed25519PrivateKey | None) -> None:
    console = Console()
    console.print(_table(result))
    for line in worse(result.record):
        print_line(console, f"Attention: {line}")
    print_line(
        console,
        f"{result.bundle_path}: {result.bundle.id}, by the route {result.record.route}; "
        f"{result.record.proven}; see {result.folder / PAGE}",
    )
    print_line(console, signature_line(signer, result.bundle_path))


def _table(result: RetrainingResult) -> Table:
    table = Table("", "before", "now")
    for name, side in result.record.sides.items():
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
        raise ExportError(f"{run}: nothing was exported from it; run `{command}`, or give --bundle")
    path = record.bundle_path(run)
    if not path.is_file():
        raise ExportError(
            f"{path}: the bundle that was exported from {run} does not exist; export it again, or "
            "give --bundle FILE (LEARN_ARGS)"
        )
    return path


def _beside(run: Path) -> Path:
    """Return the default folder of the new run: RUN-learned, beside RUN."""
    folder = run if run.name else run.resolve()
    return folder.with_name(f"{folder.name}-learned")


def _routes(text: str) -> tuple[Route, ...]:
    if text == "auto":
        return ()
    routes = tuple(route for route in ROUTES if route == text)
    if not routes:
        raise UsageError(f"route {text}: expected auto, {', '.join(ROUTES)}")
    return routes


def _version(version: str) -> str:
    if version and re.fullmatch(VERSION_PATTERN, version) is None:
        raise UsageError(
            f"version {version}: expected dotted numbers and an optional label, for instance 1.4 "
            "or 1.4+trial"
        )
    return version


app = typer.Typer(add_completion=False)
app.command()(main)

if __name__ == "__main__":
    tolerate()
    app()
