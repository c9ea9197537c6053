"""The thread that follows the journal of the station and keeps the figures."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from logging import getLogger
from pathlib import Path

from edge.errors import JournalError, OutfeedError
from edge.events.event import MarkEvent
from edge.events.identity import JournalPosition, StoredEvent, parse_payload
from edge.journal.reader import JournalReader
from edge.station_page.figures import LineFigures, minute_of

_log = getLogger(__name__)

_LOOK_S = 0.5  # between two looks at the journal
_FAULT_S = 2.0
_CHUNK = 200
_CHUNK_PAUSE_S = 0.02  # while old rows are read, so that this process never occupies a core
_RECENT_ROWS = 4096  # read in any case: the last rejects may be older than the shift
MOST_ROWS = 400_000
"""The most rows that are read at the start. A full journal of 256 MiB has about as many."""


class JournalFollower:
    """Follows a journal and counts its parts.

    A journal that is missing, locked, damaged or replaced is a state, ``fault``, and no error. The
    thread tries again until ``close``.

    Synchronization: the thread ``page-journal`` changes the figures while it holds ``lock``. Others
    read them while they hold it.
    """

    def __init__(
        self,
        path: Path,
        since_s: Callable[[], float],
        on_mark: Callable[[MarkEvent], None] = lambda _: None,
    ) -> None:
        """since_s: the wall clock from which on parts are counted. on_mark: is called on the
        thread for each mark in the journal."""
        self.lock = threading.Lock()
        self.figures = LineFigures()
        self.fault = "the journal was not read yet"
        self.behind = 0
        self.is_whole = True  # the rows of the whole period were there when reading began
        self.newest: JournalPosition | None = None
        self.turned_s = time.monotonic()
        self._reader = JournalReader(path)
        self._path = path
        self._since_s = since_s
        self._on_mark = on_mark
        self._after: JournalPosition | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="page-journal", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread. Blocks for one read of the journal."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(10)

    def _run(self) -> None:
        try:
            pause_s = 0.0
            while not self._stop.wait(pause_s):
                pause_s = self.step()
                self.turned_s = time.monotonic()
        finally:
            self._reader.close()

    def step(self) -> float:
        """Read the next rows. Return the seconds until the next step. Blocks for the disk."""
        try:
            return self._read()
        except JournalError as error:
            fault = str(error)
        if fault != self.fault:
            _log.warning("page_journal_not_read reason=%s", fault)
        self.fault = fault
        return _FAULT_S

    def _read(self) -> float:
        journal = self._reader.journal()
        if not journal:
            # The reader states why where there is a file that it cannot read.
            self._reader.latest(1)
            return self._is_missing()
        if self._after is None or self._after.journal != journal:
            with self.lock:
                self.figures = LineFigures()
            self._after = self._begin(journal)
        rows = self._reader.read(self._after, _CHUNK)
        if rows and rows[0].journal != journal:
            return 0.0  # it was replaced between the two reads
        for row in rows:
            self._add(row)
        if rows:
            self._after = rows[-1].position
        self._measure(is_full=len(rows) == _CHUNK)
        self.fault = ""
        # Where rows are damaged, fewer are read at once although more follow.
        return _CHUNK_PAUSE_S if rows else _LOOK_S

    def _is_missing(self) -> float:
        self.fault = f"{self._path.name}: there is no journal yet; no station has run"
        if self._after is not None:
            self.fault = f"{self._path.name}: the journal is gone; the figures are old"
        return _FAULT_S

    def _measure(self, *, is_full: bool) -> None:
        """Note the newest row, and the number of rows that were not read yet."""
        assert self._after is not None
        if not is_full:
            self.newest, self.behind = self._after, 0
            return
        latest = self._reader.latest(1)
        if latest:
            self.newest = latest[0].position
            self.behind = max(0, latest[0].sequence - self._after.published)

    def _add(self, row: StoredEvent) -> None:
        try:
            _, event = parse_payload(row.payload)
        except OutfeedError as error:
            _log.warning("page_event_not_read event=%s reason=%s", row.event_id, error)
            return
        with self.lock:
            self.figures.add(row.journal, event)
        if isinstance(event, MarkEvent):
            self._on_mark(event)

    def _begin(self, journal: str) -> JournalPosition:
        """Return the position from which on the rows are read."""
        latest, oldest = self._reader.latest(1), self._reader.oldest()
        if not latest or oldest is None:
            return JournalPosition(journal, 0)
        last = latest[0].sequence
        floor = max(oldest.sequence, last - MOST_ROWS)
        low, high = floor, max(floor, last - _RECENT_ROWS)
        since = int(self._since_s() // 60)
        while low < high:  # the first row of the period, where the clock did not jump
            middle = (low + high) // 2
            if (self._minute_after(journal, middle) or since) < since:
                low = middle + 1
            else:
                high = middle
        is_older = (self._minute_after(journal, low) or since) < since
        self.is_whole = low > floor or floor <= 1 or is_older
        return JournalPosition(journal, max(0, low - 1))

    def _minute_after(self, journal: str, sequence: int) -> int | None:
        rows = self._reader.read(JournalPosition(journal, sequence - 1), 1)
        utc = json.loads(rows[0].body).get("utc") if rows else None
        return minute_of(utc) if isinstance(utc, str) else None
