"""Interrupts of a training: the first one saves the step and stops, the second stops at once."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)

# Ctrl+C, `kill` and the end of a connection.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A training was interrupted and its state is saved. The message names what, and the step."""


class StopRequest:
    """The flag that the first signal sets."""

    def __init__(self) -> None:
        self.to_stop = False


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Set ``to_stop`` on the first of SIGNALS while inside, and raise KeyboardInterrupt on another.

    A signal that is ignored stays ignored (nohup). Outside the main thread nothing changes.
    """
    request = StopRequest()

    def note(number: int, _: FrameType | None) -> None:
        if request.to_stop:
            raise KeyboardInterrupt
        request.to_stop = True
        log.warning("stopping after this step, which is saved; a second interrupt stops at once")

    with _handled(note):
        yield request


@contextmanager
def as_keyboard() -> Iterator[None]:
    """Raise KeyboardInterrupt on every one of SIGNALS while inside, as Ctrl+C does."""

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
