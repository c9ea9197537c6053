"""The handling of unforeseen exceptions. Each one is a bug and ends the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import getLogger

from edge.errors import CrashedError, MustEndError, OutfeedError
from edge.validation_messages import one_line

_log = getLogger(__name__)

_REASON_CHARS = 400  # the error becomes the reason of the open parts' verdicts


class CrashHandler:
    """Records exceptions that end a thread of this process.

    The other threads do not notice that a thread has ended. Parts would pass without frames, marks
    or verdicts, and the run would end with success.

    Synchronization: any thread may crash. ``check`` is for one thread.
    """

    def __init__(self) -> None:
        self._first: tuple[str, BaseException | None] | None = None

    @contextmanager
    def handling(self, on_crash: Callable[[str], None]) -> Iterator[None]:
        """Log unforeseen exceptions of all threads and of the block, with their stack.

        The block then ends with ``on_crash(reason)`` and CrashedError. A SystemExit in another
        thread counts as a crash, as Python ends the thread without a message.

        A MustEndError of the block is raised again after ``on_crash``. Other OutfeedErrors,
        KeyboardInterrupt and SystemExit of the block are raised again at once.
        """
        before = threading.excepthook
        threading.excepthook = self._record
        try:
            yield
            self.check()
        except MustEndError as error:
            on_crash(str(error))
            raise
        except (OutfeedError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            _log.critical("crashed", exc_info=error)
            crash = _crashed("main", error)
            on_crash(str(crash))
            raise crash from error
        finally:
            threading.excepthook = before

    def check(self) -> None:
        """Raise CrashedError with the name of the thread if a thread has crashed."""
        if self._first is not None:
            thread, error = self._first
            raise _crashed(thread, error) from error

    def _record(self, args: threading.ExceptHookArgs) -> None:
        name = "a thread" if args.thread is None else args.thread.name
        error = args.exc_value
        _log.critical("thread_crashed name=%s", name, exc_info=error)
        if self._first is None:
            self._first = (name, error)


def _crashed(thread: str, error: BaseException | None) -> CrashedError:
    text = f"crashed: {thread}: {type(error).__name__}: {one_line(error)}"
    return CrashedError(text[:_REASON_CHARS])


def run_logged(step: Callable[[], object]) -> None:
    """Run one step of the exit of a crashed process. Log an exception, so that the next steps run
    too."""
    try:
        step()
    except Exception:  # noqa: BLE001 - the open parts need an event, whatever has failed
        _log.exception("end_hindered")
