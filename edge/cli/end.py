"""The end of a process that cannot end in order."""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
from typing import NoReturn

from edge.errors import OutfeedError

_log = logging.getLogger(__name__)


def end_now(error: OutfeedError) -> NoReturn:
    """Say why, write where every thread is to stderr, and leave with the error's exit status.

    Nothing is waited for and no ``finally`` runs: Python's own end would join threads and run
    destructors of libraries that may hang. What must be on the disk is there already.
    """
    _log.error("process_ends reason=%s", error)
    faulthandler.dump_traceback(2, all_threads=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(error.exit_status)
