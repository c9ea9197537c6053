"""The ``outfeed`` command: its subcommands, logging, error messages and exit statuses."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

import edge
from edge.cli import (
    bench,
    bundle,
    commission,
    disk_usage,
    doctor,
    import_identity,
    inspect,
    label,
    mark,
    page,
    provision,
    quarantine,
    replay,
    run,
    updater,
    uplink,
    upload,
)
from edge.cli.options import Common
from edge.demo.command import demo
from edge.errors import OutfeedError
from edge.terminals import LogFormatter, tolerate
from edge.validation_messages import several_lines

_HELP = """\
Inspect every part on a production line and eject defective ones.

**outfeed demo** shows the whole appliance on this machine. **outfeed inspect** inspects your own
pictures.

Exit status: 0 success, 2 wrong usage, 78 wrong configuration, 1 any other error. An error is one
line on standard error.
"""

app = typer.Typer(
    name="outfeed",
    help=_HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a bug shows the traceback of Python
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("uplink")(uplink.uplink)
app.command("upload")(upload.upload)
app.command("page")(page.page)
app.command("page-person")(page.page_person)
app.command("updater")(updater.updater)
app.command("mark")(mark.mark)
app.add_typer(quarantine.app, name="quarantine")
app.command("replay")(replay.replay)
app.command("disk-usage")(disk_usage.disk_usage)
app.command("inspect")(inspect.inspect)
app.command("label")(label.label)
app.add_typer(bundle.app, name="bundle")
app.add_typer(provision.app, name="provision")
app.command("import-identity")(import_identity.import_identity)
app.command("commission")(commission.commission)
app.command("doctor")(doctor.doctor)
app.command("bench")(bench.bench)
app.command("demo")(demo)

# Services run for months, and a supervisor stores their log: they log at INFO.
_SERVICES = {"run", "uplink", "updater", "upload", "page"}


def _version(wanted: bool) -> None:
    if wanted:
        print(f"outfeed {edge.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    context: typer.Context,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log details, to find the cause of a fault.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Log errors only, and show no progress bars.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    if verbose and quiet:
        raise typer.BadParameter("--verbose and --quiet exclude each other")
    level = logging.INFO if context.invoked_subcommand in _SERVICES else logging.WARNING
    _log_to_stderr(logging.DEBUG if verbose else logging.ERROR if quiet else level)
    context.obj = Common(quiet=quiet)


def _log_to_stderr(level: int) -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if handler.name == "outfeed"]:
        root.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.name = "outfeed"
    handler.setFormatter(LogFormatter("%(asctime)s %(levelname)s %(message)s"))
    root.addHandler(handler)
    root.setLevel(level)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line (default: that of this process) and return its exit status.

    An OutfeedError becomes one line on standard error; the faults of a folder are one line each.
    Any other exception is a bug, and is raised.
    """
    # For OpenCV, when a video is opened: FFmpeg must not write its own lines to standard error.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    tolerate()
    try:
        app(args=arguments, prog_name="outfeed")
    except OutfeedError as error:
        print(f"outfeed: {several_lines(error)}", file=sys.stderr)
        return error.exit_status
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
