"""Unforeseen exceptions: each one is a bug, and ends the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import getLogger

from edge.errors import CrashedError, MustEndError, OutfeedError
from edge.validation_messages import one_line

_log = getLogger(__name__)

_CHARS = 400  # it becomes the reason of open parts


class Crashes:
    """Exceptions that end a thread of this process. A thread that is missing is not noticed by the
    others: parts would go by without pictures, marks or verdicts, and the run would end in order.

    Threads: any may crash; ``check`` is for one.
    """

    def __init__(self) -> None:
        self._first: tuple[str, BaseException | None] | None = None

    @contextmanager
    def deadly(self, die: Callable[[str], None]) -> Iterator[None]:
        """Within, an unforeseen exception in any thread, or out of the block itself, is in the log
        with its stack, and ends the block with ``die`` and CrashedError. SystemExit counts where it
        ends a thread, which it would do without a word.

        MustEndError of the block passes after ``die``; other OutfeedErrors, KeyboardInterrupt and
        SystemExit pass.
        """
        before = threading.excepthook
        threading.excepthook = self._caught
        try:
            yield
            self.check()
        except MustEndError as error:
            die(str(error))
            raise
        except (OutfeedError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            _log.critical("crashed", exc_info=error)
            end = _crashed("main", error)
            die(str(end))
            raise end from error
        finally:
            threading.excepthook = before

    def check(self) -> None:
        """Raises CrashedError, which names the thread, where one has crashed."""
        if self._first is not None:
            thread, error = self._first
            raise _crashed(thread, error) from error

    def _caught(self, found: threading.ExceptHookArgs) -> None:
        name = "a thread" if found.thread is None else found.thread.name
        error = found.exc_value
        _log.critical("thread_crashed name=%s", name, exc_info=error)
        if self._first is None:
            self._first = (name, error)


def _crashed(thread: str, error: BaseException | None) -> CrashedError:
    return CrashedError(f"crashed: {thread}: {type(error).__name__}: {one_line(error)}"[:_CHARS])


def despite(step: Callable[[], object]) -> None:
    """Do a step of the end of a process that dies. An exception is in the log, and the next steps
    have their turn."""
    try:
        step()
    except Exception:  # noqa: BLE001 - whatever is broken, the parts under way still get an event
        _log.exception("end_hindered")
