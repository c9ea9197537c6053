"""``outfeed bench``: the speed of a bundle on this machine."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import EngineOption, PrecisionOption, TrustOption, finite, is_quiet

if TYPE_CHECKING:
    from edge.benchmark.timing import MeasurementPlan
    from edge.engines.registry import EngineChoice

_Bundle = Annotated[
    Path | None,
    typer.Option("--bundle", "-b", help="The bundle, NAME.outfeed.", show_default=False),
]
_Frames = Annotated[
    Path | None,
    typer.Option(help="A picture or a folder of pictures. Default: the bundle's golden frames."),
]
_Seconds = Annotated[
    float,
    typer.Option(
        min=0.01,
        callback=finite,
        help="Seconds to measure each size, or each engine with --select.",
    ),
]
_Repeat = Annotated[
    int | None,
    typer.Option(min=1, help="Number of passes over the frames, instead of --seconds."),
]
_Sizes = Annotated[
    list[str] | None,
    typer.Option(
        "--size",
        help="WIDTHxHEIGHT: frames are cropped, or reflected at their edges, to this size. May be "
        "given several times. Default: the size of the frames.",
    ),
]
_Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=64,
        help="Cores that one run of a network may use. Default: 1; with --select, one and all.",
    ),
]
_Select = Annotated[
    bool,
    typer.Option(
        "--select", help="Measure every engine on the golden frames and name the fastest."
    ),
]
_Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="With --select, instead of --bundle: a station.toml. Its bundle is measured, and the "
        "fastest engine is stored in its state folder for engine.kind auto.",
        show_default=False,
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]


def bench(
    context: typer.Context,
    bundle: _Bundle = None,
    frames: _Frames = None,
    seconds: _Seconds = 3.0,
    repeat: _Repeat = None,
    size: _Sizes = None,
    engine: EngineOption = None,
    precision: PrecisionOption = None,
    threads: _Threads = None,
    select: _Select = False,
    config: _Config = None,
    trust: TrustOption = None,
    json: _Json = False,
) -> None:
    """Measure each step of the chain per frame: p50, p99, p99.9 and the maximum.

    Frames without a cell at or above the threshold are listed apart from frames with regions,
    because most parts of a line are of the first sort. Twenty frames per size run before the
    measurement. The cold start is the time from the start of a process to its first verdict,
    measured on a child process, together with its memory. p99.9 needs some thousand frames; the
    table shows their number.

    With --select, every installed engine runs every build of the bundle that it can read, on one
    core and on all cores (at most --threads or engine.threads), each in its own process. An engine
    that crashes, hangs or does not reproduce the golden frames is listed and never chosen.
    """
    from edge.assembly.admission import trusted_by
    from edge.assembly.chain import engine_choice
    from edge.benchmark.selection import run_select, wanted_engines
    from edge.benchmark.timing import MeasurementPlan, parse_size
    from edge.errors import UsageError

    progress, trusted = not is_quiet(context), trusted_by(trust)
    if select:
        if frames is not None or size or engine is not None:
            raise UsageError("--select takes every engine, and the golden frames as they are")
        wanted = wanted_engines(
            bundle, config, precision=precision, threads=threads, trusted=trusted
        )
        run_select(wanted, seconds=seconds, repeat=repeat, json=json, progress=progress)
        return
    if config is not None:
        raise UsageError("--config needs --select")
    if bundle is None:
        raise UsageError("bench needs --bundle, or --select with --config")
    sizes = tuple(parse_size(text) for text in size or [])
    plan = MeasurementPlan(sizes, seconds, repeat, progress)
    choice = engine_choice(engine, precision, threads or 1)
    _measure(bundle, frames, plan, choice, trusted, json=json)


def _measure(
    path: Path,
    frames: Path | None,
    plan: MeasurementPlan,
    engine: EngineChoice,
    trusted: Collection[str] | None,
    *,
    json: bool,
) -> None:
    """Measure one engine and print the report. Blocks for about ``plan.seconds`` per size."""
    from rich.console import Console

    from edge.assembly.chain import load_chain
    from edge.benchmark.report import report_json, report_tables
    from edge.benchmark.timing import bench_frames, measure_all

    bundle, inspector = load_chain(path, engine=engine, trusted=trusted)
    report = measure_all(path, bundle, inspector, bench_frames(bundle, frames), plan, engine)
    if json:
        print(report_json(report))
        return
    console = Console(highlight=False)
    for table in report_tables(report):
        console.print(table)
