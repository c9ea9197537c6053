"""``outfeed quarantine``: marked parts, kept apart until a person releases them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import ConfigOption
from edge.validation_messages import printable

app = typer.Typer(
    help="Collect the parts that users marked, show them, and release them for retraining. "
    "Only released parts are used for retraining.",
    no_args_is_help=True,
)

_Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="The folder of the quarantine.", show_default=False)
]
_Parts = Annotated[
    list[str] | None,
    typer.Argument(metavar="PART", help="Part numbers or ids.", show_default=False),
]


@app.command()
def collect(
    config: ConfigOption,
    folder: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FOLDER", help="The folder of the quarantine. It is created if needed."
        ),
    ],
) -> None:
    """Copy the pictures of parts marked `escape`, `false-reject` or `true-reject` into a folder.

    The folder gets an index (quarantine.json). Journal and picture store are only read, and the
    station may run.

    The folder may be used again, and for several stations: new parts are added. For each part that
    cannot be copied there is one line on standard error, and the exit status is 1. The same holds
    for marks that wait in the inbox of a station that does not run.
    """
    import sys

    from edge.cli.quarantining import describe_entry, still_waiting
    from edge.privileges import open_config
    from edge.quarantine.collect import collect as collect_marked
    from edge.validation_messages import one_line

    settings = open_config(config)
    collected = collect_marked(settings.paths.journal, settings.paths.pictures, folder)
    for entry in collected.index.entries:
        if entry.id in collected.new or entry.id in collected.changed:
            print(describe_entry(entry))
    for line in collected.refused:
        print(f"outfeed: {one_line(line)}", file=sys.stderr)
    print(
        f"{printable(str(folder))}: {len(collected.index.entries)} parts, "
        f"{len(collected.new)} new, {len(collected.changed)} changed"
    )
    folders = [settings.paths.inbox]
    if settings.page.marking:
        folders.append(settings.paths.page_marks)
    waiting = [text for each in folders if (text := still_waiting(each)) is not None]
    for each_line in waiting:
        print("outfeed:", each_line, file=sys.stderr)
    if collected.refused or waiting:
        raise typer.Exit(1)


@app.command("list")
def show(
    folder: _Folder,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Show each part: marks, verdict, doubts about the marks, and whether it is released."""
    from edge.cli.quarantining import describe_entry
    from edge.quarantine import read_index
    from edge.terminals import plain_json

    for entry in read_index(folder).entries:
        print(plain_json(entry.model_dump_json()) if json else describe_entry(entry))


@app.command()
def release(
    folder: _Folder,
    parts: _Parts = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every part without a doubt about its marks.")
    ] = False,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="NAME",
            help="The name of the person who releases the parts.",
            show_default=False,
        ),
    ] = "",
    kind: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="KIND",
            help="escape, false-reject or true-reject: your own statement, which a part in doubt "
            "needs.",
        ),
    ] = None,
) -> None:
    """Release parts for retraining, after a person has looked at their pictures.

    A release is valid for the picture and the marks at that time. A later mark makes it invalid.
    """
    from edge.cli.quarantining import known_claim
    from edge.clock import utc_now
    from edge.errors import UsageError
    from edge.quarantine import open_index
    from edge.quarantine.index import write_index
    from edge.quarantine.release import find_entries, undoubted_entries
    from edge.quarantine.release import release as with_release

    if bool(parts) == everything:
        raise UsageError("release takes either PARTs or --all")
    if not 1 <= len(by) <= 100:
        raise UsageError(
            "--by: expected the name of the person who releases the parts, 1 to 100 characters"
        )
    claim = None if kind is None else known_claim(kind)
    if claim is not None and everything:
        raise UsageError("--as needs PARTs: with --all the marks decide")
    with open_index(folder) as index:
        chosen = undoubted_entries(index) if everything else find_entries(index, parts or [])
        write_index(folder, with_release(index, chosen, by=by, utc=utc_now(), claim=claim))
    left = 0 if not everything else sum(entry.released is None for entry in index.entries)
    more = f", {left - len(chosen)} not" if left > len(chosen) else ""
    print(f"{printable(str(folder))}: {len(chosen)} parts released{more}")


@app.command()
def withhold(folder: _Folder, parts: _Parts = None) -> None:
    """Withdraw the release of parts."""
    from edge.errors import UsageError
    from edge.quarantine import open_index
    from edge.quarantine.index import write_index
    from edge.quarantine.release import find_entries
    from edge.quarantine.release import withhold as without_release

    if not parts:
        raise UsageError("withhold takes PARTs")
    with open_index(folder) as index:
        chosen = find_entries(index, parts)
        write_index(folder, without_release(index, chosen))
    print(f"{printable(str(folder))}: {len(chosen)} parts withheld")
