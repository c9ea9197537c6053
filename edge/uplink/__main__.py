"""Publish the journal of a station over MQTT, as a separate process.

python -m edge.uplink --config station.toml
"""

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
from edge.process_exit import end_with_parent
from edge.terminals import LogFormatter, tolerate
from edge.uplink.publisher import run_uplink
from edge.validation_messages import one_line
from edge.watchdog import find_notifier

_SUMMARY = "Publish the journal of a station over MQTT, as a separate process."


def main(arguments: list[str] | None = None) -> int:
    """Publish until SIGTERM or SIGINT. Return the exit status (edge/errors.py)."""
    parser = argparse.ArgumentParser(prog="outfeed uplink", description=_SUMMARY)
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
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if options.parent is not None:
        end_with_parent(options.parent, stop)
    try:
        run_uplink(load_config(options.config), stop, notifier)
    except OutfeedError as error:
        print(f"outfeed uplink: {one_line(error)}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
