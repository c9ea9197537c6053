"""`make export`: export a training run as the bundle NAME.outfeed."""

from __future__ import annotations

import logging
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated, cast

import torch
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.markup import escape

from edge.bundle import key_id
from edge.bundle.guidance import read_guidance_file
from edge.bundle.keys import public_of
from edge.bundle.manifest import Format, Precision
from edge.cli.passphrases import passphrase_of
from edge.errors import OutfeedError, UsageError
from edge.terminals import tolerate
from edge.validation_messages import one_line
from export.budget import budget_words
from export.job import ExportJob, FinishedExport, run_job
from export.kept_steps import FOLDER
from export.options import ExportOptions, WithFloat
from export.page import latency_words
from export.parity import ParityLimits
from models.evaluation.interval import percent
from models.evaluation.tradeoff import parse_share
from models.runs.commands import outfeed
from models.runs.run import Run
from models.training.allocator import keep_freed_memory
from models.training.interrupts import as_keyboard
from models.training.progress import announced
from models.training.tables import print_line, print_metrics

_DEFAULTS = ParityLimits()


_RunFolder = Annotated[Path, typer.Option(help="Folder of a completed training run.")]
_Out = Annotated[
    Path | None, typer.Option(help="The bundle to write; by default RUN/NAME.outfeed.")
]
_Name = Annotated[
    str, typer.Option(help="Name of the bundle; by default that of the run's folder.")
]
_Version = Annotated[str, typer.Option(help="Version of the bundle.")]
_Key = Annotated[
    Path | None, typer.Option(help="Sign with this private key (outfeed bundle keygen).")
]
_PassphraseFile = Annotated[
    Path | None, typer.Option(help="A file that holds the key's passphrase.")
]
_Guidance = Annotated[
    Path | None,
    typer.Option(
        help="The guidance for kinds of defects, from `outfeed-central guidance export`, in place "
        "of that of the recipe."
    ),
]
_Shape = Annotated[str, typer.Option(help="Static HEIGHTxWIDTH of the network's input, in pixels.")]
_Precision = Annotated[str, typer.Option(help="int8 or float32.")]
_CalibrationFrames = Annotated[
    int, typer.Option(min=2, help="Number of pictures that calibrate int8.")
]
_MaxFalseRejects = Annotated[
    str,
    typer.Option(
        help="Choose the limit that decides within this share of false rejects, for instance 0.5%. "
        "By default that of the run."
    ),
]
_Formats = Annotated[
    str, typer.Option(help="Formats to pack. The metrics of the bundle come from the first.")
]
_SearchParts = Annotated[
    int,
    typer.Option(min=1, help="Number of training pictures on which ways to quantise are compared."),
]
_KeepFloat = Annotated[
    bool, typer.Option(help="Allow layers in float where int8 alone misses defects.")
]
_WithFloat = Annotated[
    str,
    typer.Option(
        help="Pack the float network beside int8: always, never, or auto (where int8 is not "
        "faster)."
    ),
]
_SeverityError = Annotated[
    float, typer.Option(help="Parity: largest 99th percentile of the severity error, 0 to 12.")
]
_MaskIou = Annotated[float, typer.Option(help="Parity: smallest mean IoU of the masks.")]
_VerdictAgreement = Annotated[float, typer.Option(help="Parity: smallest share of equal verdicts.")]
_Regions = Annotated[
    float, typer.Option(help="Parity: smallest share of defects that both chains report.")
]
_Kinds = Annotated[
    float, typer.Option(help="Parity: smallest share of these defects with equal kinds.")
]
_Missed = Annotated[
    float, typer.Option(help="Parity: largest share of parts rejected by float, passed by int8.")
]


def main(
    run: _RunFolder,
    out: _Out = None,
    name: _Name = "",
    version: _Version = "1",
    key: _Key = None,
    passphrase_file: _PassphraseFile = None,
    guidance: _Guidance = None,
    shape: _Shape = "",
    precision: _Precision = "int8",
    calibration_frames: _CalibrationFrames = 96,
    max_false_rejects: _MaxFalseRejects = "",
    formats: _Formats = "onnx,tflite",
    search_parts: _SearchParts = 300,
    keep_float: _KeepFloat = True,
    with_float: _WithFloat = "auto",
    severity_error: _SeverityError = _DEFAULTS.severity_error_p99,
    mask_iou: _MaskIou = _DEFAULTS.mask_iou,
    verdict_agreement: _VerdictAgreement = _DEFAULTS.verdict_agreement,
    regions: _Regions = _DEFAULTS.regions,
    kinds: _Kinds = _DEFAULTS.kinds,
    missed: _Missed = _DEFAULTS.missed,
) -> None:
    """Quantise a training run to int8, compare it with the float chain, and pack it as a bundle."""
    console = Console()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        options = ExportOptions(
            name=name,
            version=version,
            height=_side(shape, 0),
            width=_side(shape, 1),
            precision=cast(Precision, precision),
            calibration_frames=calibration_frames,
            max_false_rejects=parse_share(max_false_rejects) if max_false_rejects else None,
            formats=cast(tuple[Format, ...], tuple(formats.split(","))),
            search_parts=search_parts,
            keep_float=keep_float,
            with_float=cast(WithFloat, with_float),
            limits=ParityLimits(
                severity_error, mask_iou, regions, kinds, verdict_agreement, missed
            ),
            guidance=None if guidance is None else read_guidance_file(guidance),
        )
        passphrase = passphrase_of(key, passphrase_file) if key else None
        keep_freed_memory()
        torch.set_num_threads(1)  # chains run side by side, each on one core (export/chains.py)
        with announced(), as_keyboard():
            done = run_job(ExportJob(run, out, key, passphrase, options))
    except (OutfeedError, OSError) as error:
        print_error(f"export: {_with_option(error)}")
        sys.exit(error.exit_status if isinstance(error, OutfeedError) else 1)
    except KeyboardInterrupt:
        print_error(f"export: {_stopped(run)}")
        sys.exit(130)
    _print_result(console, done, options)


def _stopped(run: Path) -> str:
    """Return a message on the steps that are kept of an export that was stopped."""
    kept = any((Run(run).folder / FOLDER).glob("*"))
    goes_on = "goes on from its finished steps" if kept else "begins anew"
    return f"stopped, and no bundle is written; the same command {goes_on}"


def print_error(text: str) -> None:
    """Print one line of plain text to standard error."""
    print_line(Console(stderr=True), text)


def _with_option(error: OutfeedError | OSError) -> str:
    """Return the line of an error. A setting of ExportOptions is written as its option."""
    line = one_line(error)
    name, _, rest = line.partition(" ")
    settings = {each.name for each in (*fields(ExportOptions), *fields(ParityLimits))}
    if not isinstance(error, UsageError) or name not in {*settings, "shape"}:
        return line
    return f"--{name.removesuffix('_p99').replace('_', '-')} {rest}"


def signature_line(signer: Ed25519PrivateKey | None, bundle: Path) -> str:
    """Return the line that states which key signed a bundle, or how to sign it."""
    if signer is not None:
        return f"signed by key {key_id(public_of(signer))}"
    command = outfeed("bundle", "sign", bundle, "--key", "NAME.key")
    return f"unsigned: a station refuses it. To sign it: `{command}`"


def _print_result(console: Console, done: FinishedExport, options: ExportOptions) -> None:
    exported = done.exported
    print_metrics(console, {name: m.as_dict() for name, m in exported.certified.metrics.items()})
    for line in exported.unknown:
        print_line(console, f"Attention: {line}")
    print_line(console, latency_words(done.record))
    if done.record.budget is not None:
        print_line(console, budget_words(done.record.budget))
    if exported.point is not None and exported.limit is not None:
        if options.max_false_rejects is None:
            print_line(
                console,
                f"Attention: at the T of the run the packed chain rejects more than "
                f"{percent(exported.limit)} of the good parts; the bundle has another",
            )
        print_line(console, str(exported.point))
        print_line(console, str(exported.point.assurance(exported.limit)))
    packed = ", ".join(build.name for build in exported.bundle.manifest.builds)
    for failure in exported.failures:
        warning = escape(f"Not packed: {failure}. Packed: {packed}")
        console.print(f"[yellow]{warning}[/]", highlight=False, soft_wrap=True)
    size_kb = len(exported.data) / 1e3
    print_line(console, f"{done.bundle}: {exported.bundle.id}, {size_kb:.0f} kB; see {done.page}")
    print_line(console, signature_line(done.signer, done.bundle))


def _side(shape: str, axis: int) -> int | None:
    """Return the height (axis 0) or width (axis 1) of HEIGHTxWIDTH; None where it is empty."""
    if not shape:
        return None
    match = re.fullmatch(r"(\d+)x(\d+)", shape)
    if match is None:
        raise UsageError(f"shape {shape}: expected HEIGHTxWIDTH in pixels, for instance 256x256")
    return int(match.group(axis + 1))


app = typer.Typer(add_completion=False)
app.command()(main)

if __name__ == "__main__":
    tolerate()
    app()
