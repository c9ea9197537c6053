"""``outfeed mark``: the statement of a user about a part."""

from __future__ import annotations

from typing import Annotated

import typer

from edge.cli.options import ConfigOption


def mark(
    config: ConfigOption,
    part: Annotated[
        int | None,
        typer.Argument(metavar="PART", min=1, help="The part number.", show_default=False),
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="Mark the last part in the journal.")
    ] = False,
    kind: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="KIND",
            help="escape (a defective part that passed), false-reject (a good part that was "
            "ejected), true-reject (a defective part that was ejected; a new bundle must still "
            "detect it), look (look at it again; an earlier mark becomes doubtful), or self-test "
            "(a part known to be defective, put on the belt as a test).",
        ),
    ] = "look",
    note: Annotated[str, typer.Option(help="A note for the person who looks at the part.")] = "",
) -> None:
    """Mark a part. The mark goes to the journal, and to the central system as `outfeed.mark/1`.

    The picture of the part is stored if it is still in the memory of the station; a stored picture
    is marked.

    If a part marked self-test had passed, the station does not detect defects. Until the next
    start its good parts then follow `drift.on_self_test_failure` (default: UNKNOWN).

    A number above the last part in the journal is refused.

    A running station reads the mark within half a second; otherwise it is read at the next start.
    The user needs write access to the state folder of the station.
    """
    from edge.cli.marking import known_kind, last_part, require_part
    from edge.errors import UsageError
    from edge.inbox import MAX_NOTE_CHARS, Inbox, new_mark
    from edge.privileges import open_config

    if (part is None) != last:
        raise UsageError("mark takes either a PART or --last")
    if len(note) > MAX_NOTE_CHARS:
        raise UsageError(f"--note has {len(note)} characters, at most {MAX_NOTE_CHARS} are allowed")
    chosen = known_kind(kind)
    settings = open_config(config)
    number = part if part is not None else last_part(settings)
    if not settings.pictures.enabled:
        raise UsageError("pictures.enabled is false: the station reads no marks")
    if part is not None:
        require_part(settings, part)
    Inbox(settings.paths.inbox).post(new_mark(number, chosen, note))
    print(f"part {number}: {chosen}")
