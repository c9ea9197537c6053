"""``python -m edge.uplink --config station.toml``: the uplink as a process of its own."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from edge.config.station import load_config
from edge.errors import OutfeedError
from edge.terminals import LogFormatter, tolerate
from edge.uplink.publisher import run_uplink
from edge.validation_messages import one_line
from edge.watchdog import find_notifier


def main(arguments: list[str] | None = None) -> int:
    """Publish until SIGTERM or SIGINT; returns the exit status (edge/errors.py)."""
    parser = argparse.ArgumentParser(prog="outfeed uplink", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the station.toml")
    parser.add_argument("--parent", type=int, help="end when this process no longer is the parent")
    options = parser.parse_args(arguments)
    tolerate()
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    faulthandler.enable(2)  # where a parent ends it for its silence, the log shows where it was
    notifier = find_notifier(os.environ)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if options.parent is not None:
        threading.Thread(
            target=_end_with, args=(options.parent, stop), name="parent", daemon=True
        ).start()
    try:
        run_uplink(load_config(options.config), stop, notifier)
    except OutfeedError as error:
        print(f"outfeed uplink: {one_line(error)}", file=sys.stderr)
        return error.exit_status
    return 0


def _end_with(parent: int, stop: threading.Event) -> None:
    """A station that was killed must not leave an uplink behind that shuts out the next one's."""
    while os.getppid() == parent and not stop.wait(0.5):
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
