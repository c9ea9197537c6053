"""``outfeed commission``: puts a station into service, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import ConfigOption, finite


def commission(
    config: ConfigOption,
    step: Annotated[
        list[str] | None,
        typer.Option(
            "--step",
            metavar="NAME",
            help="focus, parts, travel, pulse, safe-state, timing or speed; may be given several "
            "times. Default: all. What was measured before and still holds is kept.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[
        bool,
        typer.Option(
            "--batch",
            help="Ask nobody; also so where standard input is no terminal. A step that needs a "
            "person is skipped.",
        ),
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="Everything that would be asked for is done: parts are there, the air is shut "
            "where it must be, and parts may pass while nobody drives the output.",
        ),
    ] = False,
    allow_skip: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-skip",
            metavar="NAME",
            help="GO without this step; may be given several times.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder for commission.html and its pictures. Default: that of the record, "
            "state_dir.",
            show_default=False,
        ),
    ] = None,
    write: Annotated[
        bool,
        typer.Option("--write", help="Put measured values into station.toml, comments kept."),
    ] = False,
    apply: Annotated[
        bool,
        typer.Option(
            "--apply",
            help="Measure nothing: put what was measured last into a station.toml that the "
            "station's user may not write. For root, alone.",
        ),
    ] = False,
    browser: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            metavar="PORT",
            help="Show the live picture of step focus to a browser; 0 takes a free port.",
            show_default=False,
        ),
    ] = None,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS", help="For --browser: whom to answer.")
    ] = "127.0.0.1",
    parts: Annotated[
        int,
        typer.Option(min=1, help="Good parts to inspect. None wrong of n: at most 3/n are (95 %)."),
    ] = 20,
    allow_false_rejects: Annotated[
        int, typer.Option(min=0, help="Good parts that may be rejected.")
    ] = 0,
    frames: Annotated[int, typer.Option(min=1, help="Pictures for focus and exposure.")] = 20,
    kicks: Annotated[
        int, typer.Option(min=1, help="Pulses to time; p99.9 takes 2,995 at least.")
    ] = 5000,
    inspections: Annotated[
        int, typer.Option(min=1, help="Inspections to time; p99.9 takes 2,995 at least.")
    ] = 5000,
    rate_hz: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            callback=finite,
            help="Parts a second at the least gap of this line. Default: as [trigger] says or the "
            "photo-eye saw.",
            show_default=False,
        ),
    ] = None,
    wait_s: Annotated[
        float,
        typer.Option(
            min=0.1,
            callback=finite,
            help="The longest wait for the next part, seconds.",
        ),
    ] = 30.0,
) -> None:
    """Measure what this station can do, and say GO or NO-GO.

    Focus and exposure against the bundle's golden frames; good parts through the chain; the way
    from photo-eye to ejector; the shortest pulse that ejects; whether parts may pass while nobody
    drives the output; how punctual a kick and how fast the
    chain is, at p99.9; and from all of it how near parts may come. The station must not run.

    What was measured goes to commission.json in state_dir, where **outfeed run** reads it
    (`line.require_commission`), and to commission.html.

    Exit status: 0 GO, 1 NO-GO; with --step of those steps alone.
    """
    from rich.console import Console

    from edge.assembly.commissioning import Wishes, run_commission
    from edge.errors import UsageError
    from edge.terminals import say

    if apply:
        from edge.commission.apply import apply_measured

        if write or step:
            raise UsageError("--apply measures nothing: give it without --write and --step")
        for line in apply_measured(config) or ["nothing that is not there already"]:
            say(f"{config}: {line}")
        return
    wishes = Wishes(
        steps=tuple(step or ()),
        batch=batch,
        yes=yes,
        may_skip=tuple(allow_skip or ()),
        out=out,
        write=write,
        browser=browser,
        listen=listen,
        parts=parts,
        false_rejects=allow_false_rejects,
        frames=frames,
        kicks=kicks,
        inspections=inspections,
        rate_hz=rate_hz,
        wait_s=wait_s,
    )
    console = Console(highlight=False, soft_wrap=True)
    if not run_commission(config, wishes, console):
        raise typer.Exit(1)
