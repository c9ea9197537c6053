"""The journal of a station whose disk may refuse at its start."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from edge.errors import JournalError
from edge.events.event import Event
from edge.journal.lock import LockHeldError
from edge.journal.store import ForeignJournalError
from edge.journal.writer import Journal
from edge.station.retry import Retrying

_WITHIN_S = 5.0  # every page of 256 MB is checked in 0.3 s from the page cache


class DeferredJournal:
    """A journal that is opened at once where the disk permits it, else as soon as it does.

    Until then ``append`` raises JournalError, so that the writer's queue holds the events, and what
    finds it full is counted.
    """

    def __init__(self, open_journal: Callable[[], Journal], *, within_s: float = _WITHIN_S) -> None:
        """Try for within_s at most. Raises JournalError only for what a person has to end: another
        station that runs on this folder, and a journal that is not this station's or newer."""
        self._guard = threading.Lock()
        self._open: Journal | None = None
        self._is_closed = False
        self._opening = Retrying(
            "journal_open",
            lambda: self._opened(open_journal()),
            lasting=(LockHeldError, ForeignJournalError),
        )
        self._opening.start(within_s)

    @property
    def last_sequence(self) -> int | None:
        """As the journal has it; None while it is not open."""
        journal = self._open
        return None if journal is None else journal.last_sequence

    def check(self) -> None:
        """Raises JournalError while the journal is not open."""
        _ = self._journal

    @property
    def uuid(self) -> str:
        """As the journal has it. Raises JournalError while it is not open."""
        return self._journal.uuid

    def append(self, events: Sequence[Event], /) -> object:
        """As the journal has it. Raises JournalError, also while it is not open."""
        return self._journal.append(events)

    def close(self) -> None:
        """Close the journal, and one that opens later too. May be called twice."""
        self._opening.close()
        with self._guard:
            self._is_closed = True
            journal = self._open
        if journal is not None:
            journal.close()

    @property
    def _journal(self) -> Journal:
        self._opening.check()
        if self._open is None:
            raise JournalError(self._opening.reason)
        return self._open

    def _opened(self, journal: Journal) -> None:
        with self._guard:
            if not self._is_closed:
                self._open = journal
                return
        journal.close()
