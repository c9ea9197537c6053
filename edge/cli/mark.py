"""``outfeed mark``: a person's word on a part."""

from __future__ import annotations

from typing import Annotated

import typer

from edge.cli.options import ConfigOption


def mark(
    config: ConfigOption,
    part: Annotated[
        int | None,
        typer.Argument(metavar="PART", min=1, help="The part's number.", show_default=False),
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="The last part in the journal instead.")
    ] = False,
    kind: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="KIND",
            help="escape (it was let by and is bad), false-reject (it was kicked and is good), "
            "true-reject (it was kicked and is bad: whatever is learned must still see it), look "
            "(after one of these it takes that back into doubt), or self-test (a known bad part, "
            "put on the belt to see whether it is found).",
        ),
    ] = "look",
    note: Annotated[str, typer.Option(help="A line for whoever looks at it.")] = "",
) -> None:
    """Mark a part: its picture is kept while it is still in the station's memory, or marked in the
    album, and the mark goes to the journal and to the central system as `outfeed.mark/1`.

    A part marked self-test that passed proves that the station does not detect defects. Until the
    station is restarted, its good parts are then treated as `drift.on_self_test_failure` configures
    (default: UNKNOWN).

    A number above the journal's last part is refused: there is no such part.

    A station that runs has read it within half a second; one that does not reads it when it starts.
    Whoever marks must be allowed to write the station's state folder.
    """
    from edge.cli.marking import known_kind, last_part, require_part
    from edge.errors import UsageError
    from edge.inbox import MAX_NOTE_CHARS, Inbox, new_mark
    from edge.privileges import open_config

    if (part is None) != last:
        raise UsageError("mark takes either a PART or --last")
    if len(note) > MAX_NOTE_CHARS:
        raise UsageError(f"--note: {len(note)} characters, {MAX_NOTE_CHARS} at most")
    chosen = known_kind(kind)
    settings = open_config(config)
    number = part if part is not None else last_part(settings)
    if not settings.pictures.enabled:
        raise UsageError("pictures.enabled is false: the station reads no marks")
    if part is not None:
        require_part(settings, part)
    Inbox(settings.paths.inbox).post(new_mark(number, chosen, note))
    print(f"part {number}: {chosen}")
