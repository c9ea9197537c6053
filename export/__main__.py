"""`make export`: from a run of `make train` to NAME.outfeed."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edge.bundle import SUFFIX, write_bundle
from edge.bundle.manifest import Precision
from edge.errors import OutfeedError
from export.errors import ExportError
from export.pack import Exported, ExportOptions, export_run
from export.parity import ParityLimits
from models.data.dataset import DataError
from models.report.exported import ExportRecord, write_export
from models.run import Run
from models.tradeoff import parse_share
from models.train import print_metrics

_DEFAULTS = ParityLimits()


def main(
    run: Annotated[Path, typer.Option(help="Folder of a completed training run.")],
    out: Annotated[Path | None, typer.Option(help="The bundle; RUN/NAME.outfeed.")] = None,
    name: Annotated[str, typer.Option(help="The bundle's name; the run's folder's.")] = "",
    version: Annotated[str, typer.Option(help="The bundle's version.")] = "1",
    shape: Annotated[str, typer.Option(help="Static HEIGHTxWIDTH of one run, px.")] = "",
    precision: Annotated[str, typer.Option(help="int8 or float32.")] = "int8",
    calibration_frames: Annotated[int, typer.Option(min=2, help="Frames to calibrate on.")] = 96,
    max_false_rejects: Annotated[
        str,
        typer.Option(help="Choose T: the fewest escapes within this share, as 0.5%; the run's T."),
    ] = "",
    severity_error: Annotated[
        float, typer.Option(help="Parity: limit of the 99th percentile of severity error.")
    ] = _DEFAULTS.severity_error_p99,
    mask_iou: Annotated[float, typer.Option(help="Parity: least mean IoU of the masks.")] = (
        _DEFAULTS.mask_iou
    ),
    verdict_agreement: Annotated[
        float, typer.Option(help="Parity: least share of equal verdicts.")
    ] = _DEFAULTS.verdict_agreement,
    new_escapes: Annotated[
        float,
        typer.Option(help="Parity: largest share of defects found by float and passed by int8."),
    ] = _DEFAULTS.new_escapes,
) -> None:
    """Quantise a run to int8, prove it against the float chain, and pack it as one file."""
    console = Console()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        options = ExportOptions(
            name=name or _slug(run.resolve().name),
            version=version,
            height=_side(shape, 0),
            width=_side(shape, 1),
            precision=_precision(precision),
            calibration_frames=calibration_frames,
            max_false_rejects=parse_share(max_false_rejects) if max_false_rejects else None,
            limits=ParityLimits(severity_error, mask_iou, verdict_agreement, new_escapes),
        )
        exported = export_run(Run(run), options)
        path = out or run / f"{options.name}{SUFFIX}"
        write_bundle(path, exported.data)
        write_export(run, _record(exported, path, options))
    except (ExportError, DataError, OutfeedError, OSError) as error:
        console.print(f"[red]export:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    print_metrics(console, {name: m.as_dict() for name, m in exported.metrics.items()})
    parity = exported.parity
    console.print(
        f"parity over {parity.frames} frames: severity error p99 {parity.severity_error_p99:.2f}, "
        f"mask IoU {parity.mask_iou:.3f}, verdicts equal {parity.verdict_agreement:.1%}, "
        f"new escapes {parity.new_escapes:.1%}"
    )
    if exported.point is not None and options.max_false_rejects is not None:
        assurance = exported.point.assurance(options.max_false_rejects)
        for line in (exported.point, assurance):
            console.print(str(line), highlight=False, soft_wrap=True)
    console.print(f"{path}: {exported.bundle.id}, {len(exported.data) / 1e3:.0f} kB")


def _record(exported: Exported, path: Path, options: ExportOptions) -> ExportRecord:
    manifest = exported.bundle.manifest
    return ExportRecord(
        bundle=exported.bundle.id,
        file=path.name,
        precision=manifest.builds[0].precision,
        threshold=manifest.chain.threshold,
        keep_severity=manifest.classifier.keep_severity if manifest.classifier else None,
        max_false_rejects=options.max_false_rejects,
        metrics={name: metrics.as_dict() for name, metrics in exported.metrics.items()},
        parity=exported.parity.as_dict(),
    )


def _side(shape: str, axis: int) -> int | None:
    if not shape:
        return None
    match = re.fullmatch(r"(\d+)x(\d+)", shape)
    if match is None or min(int(side) for side in match.groups()) < 16:
        raise ExportError(f"--shape {shape}: expected HEIGHTxWIDTH of 16 px or more, as 256x256")
    return int(match.group(axis + 1))


def _precision(precision: str) -> Precision:
    if precision == "int8":
        return "int8"
    if precision == "float32":
        return "float32"
    raise ExportError(f"--precision {precision}: expected int8 or float32")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-") or "bundle"


if __name__ == "__main__":
    typer.run(main)
