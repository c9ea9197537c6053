"""The end of a process: in order on a signal, or at once where order is impossible."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Within, SIGTERM and SIGINT call ``stop``, which must be safe in a signal handler.

    Main thread only. The previous handlers are restored at the end.
    """
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: stop()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def end_with_parent(parent: int, stop: threading.Event) -> None:
    """Start a thread that sets ``stop`` when the parent process has ended. Returns at once.

    Otherwise this process would lock out that of the next run.
    """

    def watch() -> None:
        while os.getppid() == parent and not stop.wait(0.5):
            pass
        stop.set()

    threading.Thread(target=watch, name="parent", daemon=True).start()
