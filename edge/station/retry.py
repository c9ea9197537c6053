"""A step that a disk may refuse, repeated until it succeeds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from logging import getLogger

from edge.errors import OutfeedError

_log = getLogger(__name__)

_FIRST_PAUSE_S = 0.5
_MAX_PAUSE_S = 10.0


class Retrying:
    """Repeats a step on its own daemon thread, with pauses that grow up to 10 s.

    A disk that hangs stops only this thread, as each caller limits its wait. A refusal is one line
    in the log, and the success after it another one. Synchronization: any thread may read.
    """

    def __init__(
        self, name: str, step: Callable[[], object], *, lasting: tuple[type[OutfeedError], ...] = ()
    ) -> None:
        """name: for the log. step: raises OutfeedError if it is refused. lasting: refusals at the
        first try that only a person can correct. After another refusal the step is repeated.
        """
        self.reason = "no answer yet"
        self._name = name
        self._step = step
        self._lasting = lasting
        self._failure: BaseException | None = None
        self._tried = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"retry-{name}", daemon=True)

    def start(self, within_s: float) -> bool:
        """Start the thread and wait for its first try, at most within_s.

        Return whether it succeeded. Raises a lasting refusal.
        """
        self._thread.start()
        if not self._tried.wait(within_s):
            _log.error("%s_hangs reason=no answer in %g s; it is tried again", self._name, within_s)
        self.check()
        return self.done

    @property
    def done(self) -> bool:
        """Return whether the step has succeeded."""
        return self._tried.is_set() and not self.reason and self._failure is None

    def check(self) -> None:
        """Raise the exception that ended the tries: a lasting refusal or a bug."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Let the thread end after the present try. Does not wait."""
        self._closing.set()

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._closing.is_set():
            try:
                self._step()
            except OutfeedError as error:
                if not self._tried.is_set() and isinstance(error, self._lasting):
                    self._failure = error
                elif self.reason != str(error):
                    _log.error("%s_refused reason=%s; it is tried again", self._name, error)
                self.reason = str(error)
            except BaseException as error:  # noqa: BLE001 - raised again by check()
                self._failure = error
            else:
                self.reason = ""
                if self._tried.is_set():
                    _log.warning("%s_done", self._name)
            self._tried.set()
            if self._failure is not None or not self.reason:
                return
            self._closing.wait(pause_s)
            pause_s = min(2 * pause_s, _MAX_PAUSE_S)
