"""The program of a child process of the station: options, logging, signals and exit status."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.config.station import StationConfig, load_config
from edge.errors import OutfeedError
from edge.process_exit import end_with_parent, stop_signals
from edge.terminals import LogFormatter, tolerate
from edge.validation_messages import one_line
from edge.watchdog import Notifier, find_notifier


def run_child(
    name: str,
    summary: str,
    work: Callable[[StationConfig, threading.Event, Notifier], None],
    arguments: Sequence[str] | None = None,
) -> int:
    """Work until SIGTERM or SIGINT, or until the parent ends. Return the exit status. Blocks.

    Main thread only. The statuses are those of edge/errors.py.

    Args:
        name: The name in messages, for instance "uplink".
        summary: The text of --help.
        work: Ends when its event is set.
        arguments: Those of the command line by default.
    """
    parser = argparse.ArgumentParser(prog=f"outfeed {name}", description=summary)
    parser.add_argument("--config", type=Path, required=True, help="path of station.toml")
    parser.add_argument("--parent", type=int, help="process id of the parent; exit when it ends")
    options = parser.parse_args(arguments)
    tolerate()
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    faulthandler.enable(2)  # after SIGABRT by the parent, the log has the stack
    notifier = find_notifier(os.environ)
    stop = threading.Event()
    with stop_signals(stop.set):
        if options.parent is not None:
            end_with_parent(options.parent, stop)
        try:
            work(load_config(options.config), stop, notifier)
        except OutfeedError as error:
            print(f"outfeed {name}: {one_line(error)}", file=sys.stderr)
            return error.exit_status
    return 0
