"""``outfeed doctor``: what is wrong with this unit."""

from __future__ import annotations

from typing import Annotated

import typer

from edge.cli.options import ConfigOption, finite


def doctor(
    config: ConfigOption,
    json: Annotated[bool, typer.Option("--json", help="Findings as JSON.")] = False,
    golden: Annotated[
        bool,
        typer.Option("--golden/--no-golden", help="Run the golden frames, where no station runs."),
    ] = True,
    timeout_s: Annotated[
        float,
        typer.Option(
            min=0.1,
            callback=finite,
            help="A check that takes longer hangs: a FAIL.",
        ),
    ] = 10.0,
) -> None:
    """Say in one screen what is wrong with this unit and what to do: a line per check, OK, WARN or
    FAIL.

    Reads only. Beside a station that runs it leaves camera, lines and processor alone and looks at
    what the station has journalled. As the station's user it sees what the station sees: sudo -u
    outfeed.

    Exit status: 0 when nothing is FAIL, 1 otherwise.
    """
    from rich.console import Console

    from edge.cli.diagnosis import diagnose, findings_json, print_findings
    from edge.doctor.finding import Level

    findings = diagnose(config, golden=golden, timeout_s=timeout_s)
    if json:
        print(findings_json(findings))
    else:
        print_findings(findings, Console(highlight=False, soft_wrap=True))
    if any(finding.level is Level.FAIL for finding in findings):
        raise typer.Exit(1)
