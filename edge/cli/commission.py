"""``outfeed commission``: the guided check of a station on its line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import ConfigOption, finite

_Steps = Annotated[
    list[str] | None,
    typer.Option(
        "--step",
        metavar="NAME",
        help="focus, parts, travel, pulse, safe-state, timing or speed. May be given several "
        "times. Default: all steps. Earlier results of other steps that are still valid are kept.",
        show_default=False,
    ),
]
_Batch = Annotated[
    bool,
    typer.Option(
        "--batch",
        help="Ask no questions, as without a terminal on standard input. A step that needs a "
        "person is skipped.",
    ),
]
_Yes = Annotated[
    bool,
    typer.Option(
        "--yes",
        help="Answer every question with yes: parts are there, the compressed air is off where it "
        "must be, and parts may pass while no process drives the output.",
    ),
]
_AllowSkip = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-skip",
        metavar="NAME",
        help="Give GO without this step. May be given several times.",
        show_default=False,
    ),
]
_Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder for commission.html and its pictures. Default: state_dir.",
        show_default=False,
    ),
]
_Write = Annotated[
    bool,
    typer.Option("--write", help="Write measured values to station.toml. Comments are kept."),
]
_Apply = Annotated[
    bool,
    typer.Option(
        "--apply",
        help="Measure nothing; write the values of the last commissioning to a station.toml that "
        "the station's user may not write. Run it as root, with no other option.",
    ),
]
_Browser = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        metavar="PORT",
        help="Show the live picture of step focus in a browser, on this port; 0: any free port.",
        show_default=False,
    ),
]
_Listen = Annotated[
    str, typer.Option(metavar="ADDRESS", help="The address on which --browser listens.")
]
_Parts = Annotated[
    int,
    typer.Option(
        min=1,
        help="Good parts to inspect. If none of n is wrong, the true share is at most 3/n (95 %).",
    ),
]
_FalseRejects = Annotated[int, typer.Option(min=0, help="Good parts that may be rejected.")]
_Frames = Annotated[int, typer.Option(min=1, help="Pictures for focus and exposure.")]
_Pulses = Annotated[
    int, typer.Option(min=1, help="Test pulses to measure; p99.9 needs at least 2,995.")
]
_Inspections = Annotated[
    int, typer.Option(min=1, help="Inspections to measure; p99.9 needs at least 2,995.")
]
_Rate = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        callback=finite,
        help="Parts per second at the smallest gap of this line. Default: the rate of [trigger], "
        "or the rate at the photo-eye.",
        show_default=False,
    ),
]
_Wait = Annotated[
    float,
    typer.Option(min=0.1, callback=finite, help="Longest wait for the next part in seconds."),
]


def commission(
    config: ConfigOption,
    step: _Steps = None,
    batch: _Batch = False,
    yes: _Yes = False,
    allow_skip: _AllowSkip = None,
    out: _Out = None,
    write: _Write = False,
    apply: _Apply = False,
    browser: _Browser = None,
    listen: _Listen = "127.0.0.1",
    parts: _Parts = 20,
    allow_false_rejects: _FalseRejects = 0,
    frames: _Frames = 20,
    pulses: _Pulses = 5000,
    inspections: _Inspections = 5000,
    rate_hz: _Rate = None,
    wait_s: _Wait = 30.0,
) -> None:
    """Measure the abilities of this station and give GO or NO-GO. The station must not run.

    The steps compare focus and exposure with the bundle's golden frames, inspect good parts, and
    measure the travel from photo-eye to ejector and the shortest pulse that ejects. They check
    whether parts may pass while no process drives the output, and measure the times of pulses and
    of the chain at p99.9. From all of it follows the smallest spacing of parts.

    The results go to commission.json in state_dir, where **outfeed run** reads them
    (`line.require_commission`), and to commission.html.

    Exit status: 0 for GO, 1 for NO-GO; with --step, of those steps only.
    """
    if apply:
        _apply(config, measures=write or bool(step))
        return
    from rich.console import Console

    from edge.assembly.commissioning import CommissionOptions, run_commission

    options = CommissionOptions(
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
        pulses=pulses,
        inspections=inspections,
        rate_hz=rate_hz,
        wait_s=wait_s,
    )
    if not run_commission(config, options, Console(highlight=False, soft_wrap=True)):
        raise typer.Exit(1)


def _apply(config: Path, *, measures: bool) -> None:
    """Write the values of the last commissioning to station.toml and print each of them."""
    from edge.commission.apply import apply_measured
    from edge.errors import UsageError
    from edge.terminals import say

    if measures:
        raise UsageError("--apply measures nothing: give it without --write and --step")
    for line in apply_measured(config) or ["no value has changed"]:
        say(f"{config}: {line}")
