"""A thread that does one kind of work until it is closed."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class Worker(ABC):
    """A thread from ``start`` to ``close``. Both are for one thread.

    A subclass implements ``_run``, which returns soon after ``_stop`` is set.
    """

    def __init__(self, name: str, *, close_s: float = 10.0) -> None:
        """name: of the thread. close_s: the time that ``close`` waits at most."""
        self._stop = threading.Event()
        self._close_s = close_s
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_running(self) -> bool:
        """Return whether the thread runs. It ends early only by a bug."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread. Returns at once."""
        self._thread.start()

    def close(self) -> None:
        """End the thread after the step that is under way. Blocks for at most ``close_s``."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(self._close_s)

    @abstractmethod
    def _run(self) -> None:
        """Work until ``_stop`` is set."""
