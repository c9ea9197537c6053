"""``outfeed bench``: how fast a bundle is on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import EngineOption, PrecisionOption, TrustOption, finite, is_quiet


def bench(
    context: typer.Context,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", "-b", help="The model bundle, NAME.outfeed.", show_default=False),
    ] = None,
    frames: Annotated[
        Path | None,
        typer.Option(help="A picture or a folder of them. Default: the bundle's golden frames."),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            min=0.01,
            callback=finite,
            help="Measure each size, or engine, for this long.",
        ),
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
    engine: EngineOption = None,
    precision: PrecisionOption = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help="Cores that one run of a network may use. Default: 1; with --select one, and all.",
        ),
    ] = None,
    select: Annotated[
        bool,
        typer.Option(
            "--select", help="Time every engine on the golden frames and name the fastest."
        ),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="With --select, instead of --bundle: the station.toml whose bundle is measured "
            "and in whose state the fastest is kept, for its engine.kind auto.",
            show_default=False,
        ),
    ] = None,
    trust: TrustOption = None,
    json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
) -> None:
    """Time every step of the chain: p50, p99, p99.9 and the worst, per frame.

    Frames in which no cell passes T are apart from frames with regions: the first is what a line
    sees all day. Twenty frames per size run before anything is counted. Cold start is the time from
    the start of a process to its first verdict, measured on a child; its memory is read then.
    p99.9 means little below some thousand frames: the count is beside it.

    With --select every engine that is installed runs every build of the bundle that it reads, on
    one core and on all of them (--threads, or engine.threads of the configuration, at most), each
    in a process of its own. One that dies, hangs or does not reproduce the golden frames is shown
    and never chosen.
    """
    from rich.console import Console

    from edge.assembly.admission import trusted_by
    from edge.assembly.chain import engine_choice, load_chain
    from edge.benchmark.report import report_json, report_tables
    from edge.benchmark.selection import run_select, wanted_engines
    from edge.benchmark.timing import bench_frames, measure_all, parse_size
    from edge.errors import UsageError

    if select:
        if frames is not None or size or engine is not None:
            raise UsageError("--select takes every engine, and the golden frames as they are")
        wanted = wanted_engines(
            bundle, config, precision=precision, threads=threads, trusted=trusted_by(trust)
        )
        run_select(
            wanted, seconds=seconds, repeat=repeat, json=json, progress=not is_quiet(context)
        )
        return
    if config is not None:
        raise UsageError("--config goes with --select")
    if bundle is None:
        raise UsageError("bench takes --bundle, or --select with --config")
    sizes = [parse_size(text) for text in size or []]
    choice = engine_choice(engine, precision, threads or 1)
    loaded, inspector = load_chain(bundle, engine=choice, trusted=trusted_by(trust))
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
