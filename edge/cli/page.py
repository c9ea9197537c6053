"""``outfeed page``: the page of a station for the people at the line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import ConfigOption


def page(config: ConfigOption) -> None:
    """Serve the page of a station until it is stopped.

    It shows the state of the station, the parts and rejects of the shift, the last rejected parts
    with picture, outline and guidance, and faults. The section [page] of station.toml has its
    address. By default only a browser on this machine can open it, and it accepts no marks.

    The page is a process of its own with a low priority. It reads the journal and the picture
    store, and nothing waits for it. Under systemd it reports when it is ready, and sends
    `WATCHDOG=1` while it works.

    Needs the extra `page` (starlette, uvicorn).
    """
    import faulthandler
    import os
    import threading

    from edge.errors import UsageError

    try:
        import starlette
        import uvicorn
    except ImportError as error:
        raise UsageError(f"page needs {error.name}: pip install 'outfeed[page]'") from error
    del starlette, uvicorn
    from edge.config.station import load_config
    from edge.privileges import act_as_owner
    from edge.process_exit import stop_signals
    from edge.station_page.run import run_page
    from edge.watchdog import find_notifier

    faulthandler.enable(2)  # if systemd's watchdog ends it, the log shows its stack
    notifier = find_notifier(os.environ)
    station = load_config(config)
    act_as_owner(station.paths.page)
    stop = threading.Event()
    with stop_signals(stop.set):
        run_page(station, stop, notifier)


def page_person(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the person.")],
    config: ConfigOption,
    may: Annotated[
        str, typer.Option(metavar="RIGHT", help="view, or mark: the person can also mark parts.")
    ] = "view",
    password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A file with the password. Without it the command asks for the password.",
            show_default=False,
        ),
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the person, who is logged out at once.")
    ] = False,
) -> None:
    """Add, change or remove a person who may log in to the page of the station.

    The key `page.people` of station.toml names the file. It has a hash of each password, made with
    scrypt. A running page reads the change at once.
    """
    from edge.config.station import load_config
    from edge.station_page.people_file import change_person, new_password, remove_person
    from edge.terminals import say

    station = load_config(config)
    if remove:
        say(remove_person(station, name))
    else:
        say(change_person(station, name, may, lambda: new_password(password_file)))
