"""``outfeed-central guidance``: the guidance for kinds of defects, as a file for bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from central.commands.common import ConfigOption, open_database

app = typer.Typer(
    name="guidance",
    help="Export the guidance for kinds of defects.",
    no_args_is_help=True,
)


@app.callback()
def _group() -> None:
    """Keep `export` a command of a group."""


@app.command("export")
def export(
    out: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to write.", show_default=False)
    ],
    config: ConfigOption = None,
) -> None:
    """Write the present guidance of all kinds to a file.

    `outfeed bundle sign --guidance FILE` and `make export EXPORT_ARGS='--guidance FILE'` put it
    into the next bundle, whose signature covers it.
    """
    from central.store.judgements import read_guidance
    from edge.bundle.guidance import GuidanceFile, GuidanceText
    from edge.clock import utc_now
    from edge.errors import OutfeedError
    from edge.files import write_atomically

    with open_database(config) as database, database.read() as connection:
        found = read_guidance(connection)
    kinds = tuple(
        GuidanceText(kind=each.kind, version=each.version, text=each.body) for each in found
    )
    content = GuidanceFile(utc=utc_now(), kinds=kinds)
    try:
        write_atomically(out, content.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise OutfeedError(f"{out}: cannot be written: {error.strerror}") from error
    print(f"{out}: guidance for {len(kinds)} kinds")
