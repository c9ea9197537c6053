"""``outfeed bench``: how fast a bundle is on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import (
    BundleOption,
    EngineOption,
    PrecisionOption,
    ThreadsOption,
    is_quiet,
)


def bench(
    context: typer.Context,
    bundle: BundleOption,
    frames: Annotated[
        Path | None,
        typer.Option(help="A picture or a folder of them. Default: the bundle's golden frames."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.01, help="Measure each size for this long.")
    ] = 3.0,
    repeat: Annotated[
        int | None,
        typer.Option(min=1, help="Measure this many passes over the frames instead of --seconds."),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(
            help="WIDTHxHEIGHT: frames cropped, or reflected at their edges, to this size. May be "
            "given several times. Default: the frames as they are."
        ),
    ] = None,
    engine: EngineOption = "ort",
    precision: PrecisionOption = None,
    threads: ThreadsOption = 1,
    json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
) -> None:
    """Time every step of the chain: p50, p99, p99.9 and the worst, per frame.

    Frames in which no cell passes T are apart from frames with regions: the first is what a line
    sees all day. Twenty frames per size run before anything is counted. Cold start is the time from
    the start of a process to its first verdict, measured on a child; its memory is read then.
    p99.9 means little below some thousand frames: the count is beside it.
    """
    from rich.console import Console

    from edge.cli.benchmark import bench_frames, measure_all, parse_size
    from edge.cli.benchmark_report import report_json, report_tables
    from edge.cli.loading import engine_choice, load_chain

    sizes = [parse_size(text) for text in size or []]
    choice = engine_choice(engine, precision, threads)
    loaded, inspector = load_chain(bundle, engine=choice)
    report = measure_all(
        bundle,
        loaded,
        inspector,
        bench_frames(loaded, frames),
        sizes=sizes,
        seconds=seconds,
        repeat=repeat,
        engine=choice,
        progress=not is_quiet(context),
    )
    if json:
        print(report_json(report))
        return
    console = Console(highlight=False)
    for table in report_tables(report):
        console.print(table)
