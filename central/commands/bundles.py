"""``outfeed-central bundle``: the bundles for stations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from central.commands.common import (
    ConfigOption,
    check_installed,
    command_line_actor,
    now_us,
    open_database,
)

app = typer.Typer(
    name="bundle",
    help="Serve bundles to stations, and add bundles to those of rollouts.",
    no_args_is_help=True,
)


@app.command("serve")
def serve(config: ConfigOption = None) -> None:
    """Serve the bundles to the stations over HTTPS, until SIGTERM or Ctrl-C.

    SIGHUP reads certificates and the list of revoked ones again. Nothing else depends on this
    process, and it needs no database.
    """
    check_installed()
    import os
    import signal
    import threading

    from central.bundles.service import run_bundles
    from central.config.central import CentralConfig, load_central
    from edge.process_exit import stop_signals
    from edge.watchdog import find_notifier

    settings = CentralConfig() if config is None else load_central(config)
    stop, again = threading.Event(), threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: again.set())
    with stop_signals(stop.set):
        run_bundles(settings.bundles, stop, again, find_notifier(os.environ))


@app.command("add")
def add(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="NAME.outfeed", show_default=False)
    ],
    config: ConfigOption = None,
) -> None:
    """Add a signed bundle to those that rollouts can take, as its page does."""
    from central.access.audit import audited
    from central.bundles.service import make_folder
    from central.bundles.uploads import record_upload
    from central.config.central import CentralConfig, load_central
    from edge.bundle import MAX_BYTES
    from edge.errors import ConfigError, OutfeedError, UsageError

    settings = CentralConfig() if config is None else load_central(config)
    folder = make_folder(settings.bundles)
    if folder is None:
        raise ConfigError("bundles.path: is missing; there is no folder of bundles")
    try:
        with bundle.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{bundle}: cannot be read: {error.strerror}") from error
    try:
        kept = folder.add(data)
    except OutfeedError as error:
        raise OutfeedError(f"{bundle}: {error}") from error
    with (
        open_database(config) as database,
        audited(database, command_line_actor(), now_us()) as change,
    ):
        number = record_upload(change, kept, len(data))
    print(f"{kept.bundle.id}: bundle {number}")


@app.command("list")
def list_bundles(config: ConfigOption = None) -> None:
    """Print the bundles that rollouts can take, newest first."""
    from central.store.bundles import read_bundles

    with open_database(config) as database, database.read() as connection:
        for each in read_bundles(connection):
            print(f"{each.number}\t{each.bundle_id}\t{each.sha256}")
