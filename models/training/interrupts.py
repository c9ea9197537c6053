"""The first interrupt asks a training to stop where it can go on later; the second one stops it."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)

# A key, `kill` and the end of a connection.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A training was asked to stop and has saved where it was; the line says what and where."""


class Asked:
    """Return whether somebody asked to stop."""

    def __init__(self) -> None:
        self.to_stop = False


@contextmanager
def asked_to_stop() -> Iterator[Asked]:
    """While inside, the first of SIGNALS is noted, and a second one raises KeyboardInterrupt.

    A signal that is ignored stays so (nohup). Outside the main thread nothing is changed.
    """
    asked = Asked()

    def note(number: int, _: FrameType | None) -> None:
        if asked.to_stop:
            raise KeyboardInterrupt
        asked.to_stop = True
        log.warning("stopping after this step, which is then saved; once more stops at once")

    with _handled(note):
        yield asked


@contextmanager
def as_keyboard() -> Iterator[None]:
    """While inside, every one of SIGNALS raises KeyboardInterrupt, as a key does."""

    def stop(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled(stop):
        yield


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    changed = [n for n, old in before.items() if old not in (signal.SIG_IGN, None)]
    for number in changed:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, before[number])
