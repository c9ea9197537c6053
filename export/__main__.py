"""`make export`: from a run of `make train` to NAME.outfeed."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from edge.bundle import SUFFIX, key_id, sign_bundle, write_bundle
from edge.bundle.keys import public_of, read_private_key
from edge.bundle.manifest import Format, Precision
from edge.bundle.version import VERSION_PATTERN
from edge.cli.passphrases import passphrase_of
from edge.errors import OutfeedError
from edge.terminals import tolerate
from edge.validation_messages import one_line
from export.errors import ExportError
from export.pack import ExportOptions, WithFloat, export_run
from export.page import latency_words, write_page
from export.parity import ParityLimits
from export.record import record_of
from models.data.dataset import DataError
from models.evaluation.tradeoff import parse_share
from models.report.exported import write_export
from models.runs.commands import outfeed
from models.runs.run import Run
from models.training.interrupts import as_keyboard
from models.training.progress import announced
from models.training.tables import print_metrics

_DEFAULTS = ParityLimits()


def main(
    run: Annotated[Path, typer.Option(help="Folder of a completed training run.")],
    out: Annotated[Path | None, typer.Option(help="The bundle; RUN/NAME.outfeed.")] = None,
    name: Annotated[str, typer.Option(help="The bundle's name; the run's folder's.")] = "",
    version: Annotated[str, typer.Option(help="The bundle's version.")] = "1",
    key: Annotated[
        Path | None, typer.Option(help="Sign with this private key (outfeed bundle keygen).")
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="A file that holds the key's passphrase.")
    ] = None,
    shape: Annotated[str, typer.Option(help="Static HEIGHTxWIDTH of one run, px.")] = "",
    precision: Annotated[str, typer.Option(help="int8 or float32.")] = "int8",
    calibration_frames: Annotated[int, typer.Option(min=2, help="Frames to calibrate on.")] = 96,
    max_false_rejects: Annotated[
        str,
        typer.Option(help="Choose T: the fewest escapes within this share, as 0.5%; the run's T."),
    ] = "",
    formats: Annotated[
        str, typer.Option(help="What to pack, the one that the bundle is judged by first.")
    ] = "onnx,tflite",
    search_parts: Annotated[
        int, typer.Option(min=1, help="Training pictures on which ways to quantise are tried.")
    ] = 300,
    keep_float: Annotated[
        bool, typer.Option(help="Keep layers in float where int8 loses defects otherwise.")
    ] = True,
    with_float: Annotated[
        str, typer.Option(help="The float network beside int8: always, never, or auto: if faster.")
    ] = "auto",
    severity_error: Annotated[
        float, typer.Option(help="Parity: limit of the 99th percentile of severity error.")
    ] = _DEFAULTS.severity_error_p99,
    mask_iou: Annotated[float, typer.Option(help="Parity: least mean IoU of the masks.")] = (
        _DEFAULTS.mask_iou
    ),
    verdict_agreement: Annotated[
        float, typer.Option(help="Parity: least share of equal verdicts.")
    ] = _DEFAULTS.verdict_agreement,
    regions: Annotated[
        float, typer.Option(help="Parity: least share of defects that both chains report.")
    ] = _DEFAULTS.regions,
    kinds: Annotated[
        float, typer.Option(help="Parity: least share of those that both name alike.")
    ] = _DEFAULTS.kinds,
    missed: Annotated[
        float,
        typer.Option(help="Parity: largest share of defects found by float and passed by int8."),
    ] = _DEFAULTS.missed,
) -> None:
    """Quantise a run to int8, prove it against the float chain, and pack it as one file."""
    console = Console()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        options = ExportOptions(
            name=_name(name) or _slug(run.resolve().name),
            version=_version(version),
            height=_side(shape, 0),
            width=_side(shape, 1),
            precision=_precision(precision),
            calibration_frames=calibration_frames,
            max_false_rejects=parse_share(max_false_rejects) if max_false_rejects else None,
            formats=_formats(formats),
            search_parts=search_parts,
            keep_float=keep_float,
            with_float=_with_float(with_float),
            limits=_limits(severity_error, mask_iou, regions, kinds, verdict_agreement, missed),
        )
        signer = read_private_key(key, passphrase_of(key, passphrase_file)) if key else None
        opened = Run(run)  # of a comparison, the run that it recommends
        with announced(), as_keyboard():
            exported = export_run(opened, options)
        path = out or run / f"{options.name}{SUFFIX}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bundle(path, sign_bundle(exported.data, signer) if signer else exported.data)
        file = os.path.relpath(path.resolve(), opened.folder.resolve())
        record = record_of(exported, Path(file).as_posix(), options.max_false_rejects)
        write_export(opened.folder, record)
        page = write_page(opened.folder, record, exported.certified)
    except (ExportError, DataError, OutfeedError, OSError) as error:
        console.print(f"[red]export:[/] {escape(one_line(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("stopped; nothing is written")
        sys.exit(130)
    print_metrics(console, {name: m.as_dict() for name, m in exported.certified.metrics.items()})
    for line in exported.unknown:
        console.print(f"Attention: {line}", highlight=False, soft_wrap=True)
    console.print(latency_words(record), highlight=False, soft_wrap=True)
    if exported.point is not None and options.max_false_rejects is not None:
        assurance = exported.point.assurance(options.max_false_rejects)
        for told in (exported.point, assurance):
            console.print(str(told), highlight=False, soft_wrap=True)
    packed = ", ".join(build.name for build in exported.bundle.manifest.builds)
    for lost in exported.lost:
        said = escape(f"Not packed: {lost}. Packed: {packed}")
        console.print(f"[yellow]{said}[/]", highlight=False, soft_wrap=True)
    console.print(
        f"{path}: {exported.bundle.id}, {len(exported.data) / 1e3:.0f} kB; see {page}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"signed by key {key_id(public_of(signer))}"
        if signer
        else "unsigned: a station refuses it until "
        f"`{outfeed('bundle', 'sign', path, '--key', 'NAME.key')}`",
        highlight=False,
        soft_wrap=True,
    )


def _limits(
    severity_error: float,
    mask_iou: float,
    regions: float,
    kinds: float,
    verdict_agreement: float,
    missed: float,
) -> ParityLimits:
    """A limit that nothing can keep is refused before anything takes long."""
    shares = {
        "--mask-iou": mask_iou,
        "--regions": regions,
        "--kinds": kinds,
        "--verdict-agreement": verdict_agreement,
        "--missed": missed,
    }
    for option, value in shares.items():
        if not 0 <= value <= 1:
            figure = option.removeprefix("--").replace("-", " ")
            raise ExportError(f"{option} {value:g}: {figure} is a share; expected 0 to 1")
    if not severity_error >= 0:
        raise ExportError(f"--severity-error {severity_error:g}: expected 0 or more")
    return ParityLimits(severity_error, mask_iou, regions, kinds, verdict_agreement, missed)


def _side(shape: str, axis: int) -> int | None:
    if not shape:
        return None
    match = re.fullmatch(r"(\d+)x(\d+)", shape)
    if match is None or min(int(side) for side in match.groups()) < 16:
        raise ExportError(f"--shape {shape}: expected HEIGHTxWIDTH of 16 px or more, as 256x256")
    return int(match.group(axis + 1))


def _name(name: str) -> str:
    if re.fullmatch(r"([a-z0-9][a-z0-9_-]*)?", name) is None:
        raise ExportError(f"--name {name}: expected lower-case letters, digits, - and _, as line-3")
    return name


def _version(version: str) -> str:
    if re.fullmatch(VERSION_PATTERN, version) is None:
        raise ExportError(
            f"--version {version}: expected dotted numbers and perhaps a label, as 1.4 or 1.4+trial"
        )
    return version


def _precision(precision: str) -> Precision:
    if precision == "int8":
        return "int8"
    if precision == "float32":
        return "float32"
    raise ExportError(f"--precision {precision}: expected int8 or float32")


def _formats(text: str) -> tuple[Format, ...]:
    known: dict[str, Format] = {"onnx": "onnx", "tflite": "tflite"}
    names = text.split(",")
    if not set(names) <= known.keys() or len(set(names)) != len(names):
        raise ExportError(f"--formats {text}: expected onnx, tflite, or both with a comma")
    return tuple(known[name] for name in names)


def _with_float(text: str) -> WithFloat:
    known: dict[str, WithFloat] = {"auto": "auto", "always": "always", "never": "never"}
    if text not in known:
        raise ExportError(f"--with-float {text}: expected {', '.join(known)}")
    return known[text]


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-") or "bundle"


app = typer.Typer(add_completion=False)
app.command()(main)

if __name__ == "__main__":
    tolerate()
    app()
