"""A journal that is opened later if the disk fails at the start."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from edge.errors import JournalError
from edge.events.event import Event
from edge.journal.lock import LockHeldError
from edge.journal.store import ForeignJournalError
from edge.journal.writer import Journal
from edge.station.retry import Retrying

_OPEN_S = 5.0  # checking every page of 256 MB takes 0.3 s from the page cache


class DeferredJournal:
    """A journal that is opened at once if the disk permits it, else as soon as it does.

    Until then ``append`` raises JournalError. The writer's queue holds the events meanwhile, and
    events that find it full are counted.
    """

    def __init__(self, open_journal: Callable[[], Journal], *, within_s: float = _OPEN_S) -> None:
        """Try to open the journal for within_s at most.

        Raises JournalError only for a fault that a person must correct: another station runs on
        this folder, or the journal belongs to another station or to a newer version.
        """
        self._guard = threading.Lock()
        self._open: Journal | None = None
        self._is_closed = False
        self._opening = Retrying(
            "journal_open",
            lambda: self._accept(open_journal()),
            lasting=(LockHeldError, ForeignJournalError),
        )
        self._opening.start(within_s)

    @property
    def last_sequence(self) -> int | None:
        """Return the journal's last sequence number; None while it is not open."""
        journal = self._open
        return None if journal is None else journal.last_sequence

    def check(self) -> None:
        """Raise JournalError while the journal is not open."""
        _ = self._journal

    @property
    def uuid(self) -> str:
        """Return the journal's identifier. Raises JournalError while it is not open."""
        return self._journal.uuid

    def append(self, events: Sequence[Event], /) -> object:
        """Append events to the journal. Raises JournalError, also while it is not open."""
        return self._journal.append(events)

    def close(self) -> None:
        """Close the journal, even if it opens only later. May be called twice."""
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

    def _accept(self, journal: Journal) -> None:
        with self._guard:
            if not self._is_closed:
                self._open = journal
                return
        journal.close()
