"""The command ``outfeed-central``: its subcommands, logging and exit statuses."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

import edge
from central.commands import accounts, audit, backup, bundles, guidance, places, signing
from central.commands.common import ConfigOption, check_installed
from edge.errors import OutfeedError
from edge.terminals import LogFormatter, tolerate
from edge.validation_messages import several_lines

_HELP = """\
Collect the events of all stations, keep them in a database, and show them on web pages.

**outfeed-central run** does all of it in one process. A plant runs **collect** and **web** as
services of their own on one PostgreSQL database.

Exit status: 0 success, 2 wrong usage, 78 wrong configuration, 1 any other error. An error is one
line on standard error.
"""

app = typer.Typer(
    name="outfeed-central",
    help=_HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _group in (accounts.app, places.app, audit.app, signing.app, guidance.app, bundles.app):
    app.add_typer(_group)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"outfeed-central {edge.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log details, to find the cause of a fault.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Log errors only.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    if verbose and quiet:
        raise typer.BadParameter("--verbose and --quiet exclude each other")
    level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if handler.name == "outfeed"]:
        root.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.name = "outfeed"
    handler.setFormatter(LogFormatter("%(asctime)s %(levelname)s %(message)s"))
    root.addHandler(handler)
    root.setLevel(level)
    for library in ("alembic", "uvicorn"):
        logging.getLogger(library).setLevel(max(root.level, logging.WARNING))


@app.command("run")
def run(config: ConfigOption = None) -> None:
    """Run broker, collector and pages in one process, until SIGTERM or Ctrl-C.

    The pages listen on this machine only. Under systemd the process reports when it is ready, and
    sends `WATCHDOG=1` while its threads iterate.
    """
    _serve(config, collects=True, serves=True)


@app.command("collect")
def collect(config: ConfigOption = None) -> None:
    """Collect events from a broker of the plant into the database, until SIGTERM or Ctrl-C.

    Several collectors share the events where `collector.share` is the same in each.
    """
    _serve(config, collects=True, serves=False)


@app.command("web")
def web(config: ConfigOption = None) -> None:
    """Serve the pages of a database that others fill, until SIGTERM or Ctrl-C."""
    _serve(config, collects=False, serves=True)


@app.command("pictures")
def pictures(config: ConfigOption = None) -> None:
    """Receive the pictures of the stations over HTTPS, until SIGTERM or Ctrl-C.

    SIGHUP reads certificates and the list of revoked ones again. Nothing else depends on this
    process.
    """
    check_installed()
    import os
    import signal
    import threading

    from central.config.central import CentralConfig, load_central
    from central.pictures.service import run_pictures
    from edge.process_exit import stop_signals
    from edge.watchdog import find_notifier

    settings = CentralConfig() if config is None else load_central(config)
    stop, again = threading.Event(), threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: again.set())
    with stop_signals(stop.set):
        run_pictures(settings.pictures, stop, again, find_notifier(os.environ), settings.bucket)


@app.command("migrate")
def migrate(config: ConfigOption = None) -> None:
    """Bring the tables of the database to the version of this program, and exit.

    `run` and `collect` do the same at their start.
    """
    check_installed()
    from central.config.central import CentralConfig, load_central
    from central.store.database import Database
    from central.store.schema import migrate as bring_up_to_date

    settings = CentralConfig() if config is None else load_central(config)
    database = Database(settings.database)
    try:
        bring_up_to_date(database)
    finally:
        database.close()


backup.add_commands(app)


@app.command("demo")
def demo(
    bundle: Annotated[
        Path, typer.Option("--bundle", "-b", help="The bundle, NAME.outfeed.", show_default=False)
    ],
    frames: Annotated[
        Path, typer.Option(help="A folder of pictures for the simulated belts.", show_default=False)
    ],
    stations: Annotated[int, typer.Option(min=1, max=16, help="Number of simulated stations.")] = 2,
    rate: Annotated[
        float, typer.Option(min=0.1, max=20, help="Parts per second of each station.")
    ] = 2.0,
    out: Annotated[Path, typer.Option(help="Folder of the database and the stations.")] = Path(
        "build/central"
    ),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the pages; 0: a free one.")
    ] = 8480,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, max=86_400, help="End after this time. Default: run until Ctrl-C."),
    ] = None,
    trust: Annotated[
        str | None,
        typer.Option(
            metavar="PUB",
            help="The public key that signed the bundle. Default: that of the shipped bundles.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run the central system with simulated stations that feed it, and print the address.

    The folder keeps its events: a second start continues where the first one ended.
    """
    check_installed()
    from central.demo.run import CentralDemo, run_demo

    run_demo(CentralDemo(bundle, frames, stations, rate, out, port, seconds, trust))


def _serve(path: Path | None, *, collects: bool, serves: bool) -> None:
    check_installed()
    import faulthandler
    import os
    import threading

    from central.config.central import CentralConfig, load_central
    from central.service import ServiceParts, check_external, start_service
    from edge.errors import MustEndError
    from edge.process_exit import end_now, stop_signals
    from edge.watchdog import find_notifier

    faulthandler.enable(2)
    notifier = find_notifier(os.environ)
    settings = CentralConfig() if path is None else load_central(path)
    if collects and not serves:
        check_external(settings, "outfeed-central collect")
    stop = threading.Event()
    with (
        stop_signals(stop.set),
        start_service(settings, ServiceParts(collects, serves), notifier) as service,
    ):
        try:
            service.run(stop)
        except MustEndError as error:
            end_now(error)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line (default: that of this process) and return its exit status.

    An OutfeedError becomes one line on standard error. Any other exception is a bug, and is raised.
    """
    tolerate()
    try:
        app(args=arguments, prog_name="outfeed-central")
    except OutfeedError as error:
        print(f"outfeed-central: {several_lines(error)}", file=sys.stderr)
        return error.exit_status
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
