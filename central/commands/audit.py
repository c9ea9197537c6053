"""``outfeed-central audit``: the check and the export of the audit log."""

from __future__ import annotations

import json
import re
from typing import Annotated

import typer

from central.commands.common import ConfigOption, open_database
from edge.errors import UsageError

app = typer.Typer(name="audit", help="Check and export the audit log.", no_args_is_help=True)


@app.command("verify")
def verify(
    head: Annotated[
        str | None,
        typer.Option(
            metavar="ROW:HASH",
            help="A row and its hash that were noted earlier. The log must still contain them.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Check that no row was changed, inserted or removed.

    Without `--head`, rows that were cut off the end are not noticed. Exit status 1 for a fault.
    """
    from central.access.audit import verify as verify_chain

    known = None if head is None else _head(head)
    with open_database(config) as database, database.read() as connection:
        last = verify_chain(connection, known)
    print("the audit log is empty" if last is None else f"correct to {last.sequence}:{last.hash}")


@app.command("export")
def export(config: ConfigOption = None) -> None:
    """Print every row as a line of JSON, oldest first."""
    from central.access.audit import AuditEntry, iterate_entries

    with open_database(config) as database, database.read() as connection:
        for entry in iterate_entries(connection):
            row = {name: getattr(entry, name) for name in AuditEntry.__slots__}
            print(json.dumps(row, ensure_ascii=False))


def _head(text: str) -> tuple[int, str]:
    found = re.fullmatch(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", text)
    if found is None:
        raise UsageError(f"--head {text[:80]}: expected a row and its hash as 12:0a1b…")
    return int(found[1]), found[2]
