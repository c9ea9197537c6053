"""``outfeed inspect``: the inspection of pictures and videos."""

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

_Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="PATH", help="Pictures, videos, and folders of them.", show_default=False
    ),
]
_List = Annotated[
    Path | None,
    typer.Option("--list", help="A text file with one picture or video per line."),
]
_Out = Annotated[
    Path | None,
    typer.Option(
        help="File for the results, one JSON object per line. Until the run is complete the file "
        "is called OUT.part. Default: standard output."
    ),
]
_Masks = Annotated[Path | None, typer.Option(help="Folder for masks: PNG, 255 where a defect is.")]
_Severity = Annotated[
    Path | None,
    typer.Option(help="Folder for severity: 16-bit PNG, 4096 for each step of the scale 0 to 12."),
]
_Overlays = Annotated[
    Path | None, typer.Option(help="Folder for pictures with a box and a name for each defect.")
]
_Threshold = Annotated[
    float | None,
    typer.Option(
        callback=finite, help="Threshold in place of the bundle's own: above 0, at most 12."
    ),
]
_Stripes = Annotated[
    str,
    typer.Option(
        metavar="auto|require|off",
        help="Frames of 3,000,000 pixels and more. auto: in stripes, with the result of one run "
        "over the whole frame, where the network permits it. require: other networks are refused. "
        "off: in tiles.",
    ),
]
_Timings = Annotated[
    bool,
    typer.Option(
        "--timings/--no-timings",
        help="Without timings, the same input gives the same results byte for byte.",
    ),
]


def inspect(
    context: typer.Context,
    bundle: BundleOption,
    paths: _Paths = None,
    listed: _List = None,
    out: _Out = None,
    masks: _Masks = None,
    severity: _Severity = None,
    overlays: _Overlays = None,
    engine: EngineOption = None,
    precision: PrecisionOption = None,
    threads: ThreadsOption = 1,
    trust: TrustOption = None,
    threshold: _Threshold = None,
    timings: _Timings = True,
    stripes: _Stripes = "auto",
) -> None:
    """Inspect pictures and videos and write one line of JSON for each frame.

    `file` is the path relative to the given folder. With several paths or --list it is relative to
    the deepest folder that contains them all. A frame of a video is `clip.avi#000123`, counted from
    0. `decision` and `reason` are the verdict. `score` is 0 to 12: above T where a defect is
    reported, otherwise at most T. Where the bundle has a decision head, `part_score` is there.
    `score` is then the larger of the scores of regions and part, on a scale on which 6 is the limit
    of either. Where the bundle has no limit for it, `score` is `part_score`. `defects` has `box`
    (left, top, right, bottom; the last two are exclusive), `kind`, `confidence`, `peak_severity`
    and `area_px`. `timings_us` has the times. Pictures of results have the same paths with the
    suffix .png.

    Masks and labels among the pictures are left out, and a line counts them. They are recognised by
    the layout of the folder (as `make train` reads it, or of published data sets), by a name
    (NAME_mask.png) or by a folder (ground_truth/).

    For each file that cannot be inspected there is one line on standard error. The others are
    inspected, and the exit status is 1.
    """
    from edge.assembly.admission import trusted_by
    from edge.assembly.chain import engine_choice, load_chain
    from edge.errors import UsageError
    from edge.inspection.run import Outputs, inspect_sources
    from edge.inspection.sources import check_picture_names, from_list, from_paths

    if bool(paths) == (listed is not None):
        raise UsageError("inspect takes either PATHs or --list")
    pictures = from_list(listed) if listed is not None else from_paths(paths or [])
    outputs = Outputs(out, masks, severity, overlays, timings)
    if outputs.has_pictures:
        check_picture_names(pictures.sources)
    choice = engine_choice(engine, precision, threads, stripes)
    _, inspector = load_chain(bundle, engine=choice, threshold=threshold, trusted=trusted_by(trust))
    for line in pictures.left_out:
        typer.echo(f"outfeed: {line}", err=True)
    if inspect_sources(pictures.sources, inspector, outputs, progress=not is_quiet(context)):
        raise typer.Exit(1)
