"""``outfeed import-identity``: the identity of a unit from a folder, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.terminals import say


def import_identity(
    source: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder of `outfeed provision station`.")
    ],
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="The folder of the unit's identity.")
    ] = Path("/etc/outfeed"),
) -> None:
    """Check an identity, install it, and erase its source. For root, on the unit.

    A unit does this at its start for a folder on a FAT partition or a USB stick. A power loss on
    the way leaves no half of an identity. A unit that has an identity accepts another one only if
    it names the present certificate (`outfeed provision station --replaces`).
    """
    from edge.first_boot.folder import IdentityFolder
    from edge.first_boot.installation import import_identity as install

    folder = IdentityFolder.read(source)
    name = folder.manifest.station
    is_new = install(folder, to)
    folder.erase()
    say(f"{to}: station {name}" if is_new else f"{to}: station {name}, as before")
