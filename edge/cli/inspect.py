"""``outfeed inspect``: pictures and videos through a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import (
    BundleOption,
    EngineOption,
    PrecisionOption,
    ThreadsOption,
    TrustOption,
    finite,
    is_quiet,
)


def inspect(
    context: typer.Context,
    bundle: BundleOption,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH", help="Pictures, videos and folders of them.", show_default=False
        ),
    ] = None,
    listed: Annotated[
        Path | None,
        typer.Option("--list", help="A text file that names pictures or videos, one a line."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where the results go, one JSON object a line; until the run is complete the "
            "file is called OUT.part. Default: standard output."
        ),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder for masks: PNG, 255 where a defect is.")
    ] = None,
    severity: Annotated[
        Path | None,
        typer.Option(
            help="Folder for severity: 16-bit PNG, 4096 for each step of the scale 0 to 12."
        ),
    ] = None,
    overlays: Annotated[
        Path | None, typer.Option(help="Folder for pictures with every defect boxed and named.")
    ] = None,
    engine: EngineOption = None,
    precision: PrecisionOption = None,
    threads: ThreadsOption = 1,
    trust: TrustOption = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            callback=finite,
            help="T instead of the bundle's own: above 0, at most 12.",
        ),
    ] = None,
    timings: Annotated[
        bool,
        typer.Option(
            "--timings/--no-timings",
            help="Without timings, the same input gives the same results byte for byte.",
        ),
    ] = True,
) -> None:
    """Judge pictures and videos and write one line of JSON for each frame.

    `file` is the path relative to the folder given; with several paths or --list, relative to the
    deepest folder that holds them all; of a video, `clip.avi#000123`, frames counted from 0. A line
    has `decision`, `reason`, `score` (0 to 12, how much the frame looks like a defective one: above
    T where a defect is reported, at most T where none is), `defects` (`box` as left, top, right,
    bottom, the last two exclusive; `kind`, `confidence`, `peak_severity`, `area_px`) and
    `timings_us`. Pictures of results mirror the paths, with the suffix .png.

    Masks and labels that lie with the pictures are left out, with a line that counts them: of a
    folder as `make train` reads it, of published data sets, and what a name (NAME_mask.png) or a
    folder (ground_truth/) tells.

    What cannot be inspected is one line on standard error each; the rest goes on, and the exit
    status is 1.
    """
    from edge.assembly.admission import trusted_by
    from edge.assembly.chain import engine_choice, load_chain
    from edge.errors import UsageError
    from edge.inspection.run import Outputs, inspect_sources
    from edge.inspection.sources import check_picture_names, from_list, from_paths

    if bool(paths) == (listed is not None):
        raise UsageError("inspect takes either PATHs or --list")
    found = from_list(listed) if listed is not None else from_paths(paths or [])
    outputs = Outputs(out, masks, severity, overlays, timings)
    if outputs.has_pictures:
        check_picture_names(found.sources)
    choice = engine_choice(engine, precision, threads)
    _, inspector = load_chain(bundle, engine=choice, threshold=threshold, trusted=trusted_by(trust))
    for line in found.left_out:
        typer.echo(f"outfeed: {line}", err=True)
    failed = inspect_sources(found.sources, inspector, outputs, progress=not is_quiet(context))
    if failed:
        raise typer.Exit(1)
