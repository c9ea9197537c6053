"""``outfeed doctor``: the diagnosis of a unit."""

from __future__ import annotations

from typing import Annotated

import typer

from edge.cli.options import ConfigOption, finite


def doctor(
    config: ConfigOption,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    golden: Annotated[
        bool,
        typer.Option("--golden/--no-golden", help="Run the golden frames where no station runs."),
    ] = True,
    timeout_s: Annotated[
        float,
        typer.Option(
            min=0.1,
            callback=finite,
            help="Time limit of a check in seconds. A check that takes longer is a FAIL.",
        ),
    ] = 10.0,
) -> None:
    """Check this unit and print one line for each check: OK, WARN or FAIL, with an advice.

    The command only reads. While a station runs, it opens neither camera nor GPIO lines, and reads
    the journal of the station instead. Run it as the user of the station (sudo -u outfeed), so that
    it has the same rights.

    Exit status: 0 without a FAIL, otherwise 1.
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
