"""``outfeed system``: the two slots of an image, and updates of the system."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import finite
from edge.terminals import say

app = typer.Typer(
    help="Update the system of a unit that was flashed with an image of `make image`.",
    no_args_is_help=True,
)


@app.command()
def status(
    json: Annotated[bool, typer.Option("--json", help="Print the state as JSON.")] = False,
) -> None:
    """Show the running system, both slots, and the last update. Needs root."""
    from edge.updates.system.report import report, report_json

    print(report_json() if json else report())


@app.command()
def update(
    bundle: Annotated[
        str,
        typer.Argument(
            metavar="BUNDLE", help="NAME.raucb, or its https address.", show_default=False
        ),
    ],
    now: Annotated[
        bool, typer.Option("--now", help="Switch at once, also while parts are on the belt.")
    ] = False,
    later: Annotated[
        bool, typer.Option("--later", help="Install only; `outfeed system switch` switches.")
    ] = False,
    idle_s: Annotated[
        float,
        typer.Option(min=1, callback=finite, help="Switch when no part came for this time."),
    ] = 60.0,
    allow_older: Annotated[
        bool, typer.Option("--allow-older", help="Also install a version below the running one.")
    ] = False,
    authority: Annotated[
        Path | None,
        typer.Option(
            "--ca", metavar="PEM", help="Authority of the server. Default: those of the system."
        ),
    ] = None,
) -> None:
    """Install a system into the other slot, and try it once. Needs root.

    An address is downloaded to the data partition first; an interrupted download continues. What
    was written is read back. The unit restarts when the belt is idle. The new system is kept only
    if the station works in it as before; otherwise the unit goes back by itself.
    """
    from edge.errors import UsageError
    from edge.updates.system.session import update_system

    if now and later:
        raise UsageError("update takes either --now or --later")
    update_system(
        bundle,
        authority=authority,
        allow_older=allow_older,
        idle_s=0.0 if now else idle_s,
        later=later,
        tell=say,
    )


@app.command()
def switch(
    idle_s: Annotated[
        float,
        typer.Option(min=0, callback=finite, help="Switch when no part came for this time."),
    ] = 60.0,
) -> None:
    """Restart the unit into the system that was installed, for one trial. Needs root."""
    from edge.updates.system.session import switch_system

    switch_system(idle_s=idle_s, tell=say)


@app.command("rollback")
def roll_back(
    reason: Annotated[str, typer.Option(help="The reason, for the record.")] = "by request",
) -> None:
    """Go back to the system in the other slot, and restart the unit. Needs root."""
    from edge.updates.system.session import roll_back_system

    roll_back_system(reason, tell=say)


@app.command()
def confirm(
    limit_s: Annotated[
        float,
        typer.Option(
            min=1, callback=finite, help="A system that does not work by then is given up."
        ),
    ] = 600.0,
    steady_s: Annotated[
        float, typer.Option(min=0, callback=finite, help="Everything has to work for this time.")
    ] = 30.0,
) -> None:
    """Judge this start, as outfeed-confirm.service does. Needs root.

    A confirmed system gets its attempts back. A system on trial is accepted if the station is
    READY, the self-test reproduced, the rejector has real-time priority, the journal is written,
    and the broker is reached if it was before. Otherwise the unit restarts into the other slot.
    """
    from edge.updates.system.session import confirm_system

    confirm_system(limit_s=limit_s, steady_s=steady_s, tell=say)
