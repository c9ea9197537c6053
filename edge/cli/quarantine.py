"""``outfeed quarantine``: marked parts, set aside until an engineer releases them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import ConfigOption
from edge.validation_messages import printable

app = typer.Typer(
    help="Set the parts that people marked aside, look at them, and release them for learning. "
    "Nothing is learned from a part that is not released.",
    no_args_is_help=True,
)

_Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Of the quarantine.", show_default=False)
]
_Parts = Annotated[
    list[str] | None,
    typer.Argument(metavar="PART", help="Numbers or ids of parts.", show_default=False),
]


@app.command()
def collect(
    config: ConfigOption,
    folder: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Made where it is not there.")
    ],
) -> None:
    """Copy the pictures of parts that were marked `escape`, `false-reject` or `true-reject` into a
    folder, with an index (quarantine.json). Journal and album are only read; the station may run.

    The same folder may be used again and for several stations: what is there stays, what is new is
    added. What cannot be taken is one line on standard error each, and the exit status is 1; so are
    marks that wait in the inbox of a station that does not run.
    """
    import sys

    from edge.cli.quarantining import still_waiting, told
    from edge.privileges import open_config
    from edge.quarantine.collect import collect as collect_marked
    from edge.validation_messages import one_line

    settings = open_config(config)
    found = collect_marked(settings.paths.journal, settings.paths.pictures, folder)
    for entry in found.index.entries:
        if entry.id in found.new or entry.id in found.changed:
            print(told(entry))
    for line in found.refused:
        print(f"outfeed: {one_line(line)}", file=sys.stderr)
    print(
        f"{printable(str(folder))}: {len(found.index.entries)} parts, {len(found.new)} new, "
        f"{len(found.changed)} changed"
    )
    waiting = still_waiting(settings.paths.inbox)
    if waiting is not None:
        print("outfeed:", waiting, file=sys.stderr)
    if found.refused or waiting is not None:
        raise typer.Exit(1)


@app.command("list")
def show(
    folder: _Folder,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show every part: what its marks say, what the station had said, what speaks against it, and
    whether it is released."""
    from edge.cli.quarantining import told
    from edge.quarantine import read_index
    from edge.terminals import plain_json

    for entry in read_index(folder).entries:
        print(plain_json(entry.model_dump_json()) if json else told(entry))


@app.command()
def release(
    folder: _Folder,
    parts: _Parts = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every part of which nothing speaks against its marks.")
    ] = False,
    by: Annotated[
        str, typer.Option("--by", metavar="NAME", help="Who answers for it.", show_default=False)
    ] = "",
    kind: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="KIND",
            help="escape, false-reject or true-reject: your own word, which a part in doubt needs.",
        ),
    ] = None,
) -> None:
    """Release parts for learning, after a person has looked at their pictures.

    A release holds for the picture and the marks that were there: a mark that comes later makes it
    void.
    """
    from edge.cli.quarantining import known_claim
    from edge.clock import utc_now
    from edge.errors import UsageError
    from edge.quarantine import open_index
    from edge.quarantine.index import write_index
    from edge.quarantine.release import find_entries, undoubted_entries
    from edge.quarantine.release import release as with_word

    if bool(parts) == everything:
        raise UsageError("release takes either PARTs or --all")
    if not 1 <= len(by) <= 100:
        raise UsageError("--by: expected the name of who answers for it, 1 to 100 characters")
    claim = None if kind is None else known_claim(kind)
    if claim is not None and everything:
        raise UsageError("--as needs PARTs: --all takes the marks' own word")
    with open_index(folder) as index:
        chosen = undoubted_entries(index) if everything else find_entries(index, parts or [])
        write_index(folder, with_word(index, chosen, by=by, utc=utc_now(), claim=claim))
    left = 0 if not everything else sum(entry.released is None for entry in index.entries)
    more = f", {left - len(chosen)} not" if left > len(chosen) else ""
    print(f"{printable(str(folder))}: {len(chosen)} parts released{more}")


@app.command()
def withhold(folder: _Folder, parts: _Parts = None) -> None:
    """Take the release of parts back."""
    from edge.errors import UsageError
    from edge.quarantine import open_index
    from edge.quarantine.index import write_index
    from edge.quarantine.release import find_entries
    from edge.quarantine.release import withhold as without_word

    if not parts:
        raise UsageError("withhold takes PARTs")
    with open_index(folder) as index:
        chosen = find_entries(index, parts)
        write_index(folder, without_word(index, chosen))
    print(f"{printable(str(folder))}: {len(chosen)} parts withheld")
