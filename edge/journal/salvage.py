"""The rows of a damaged journal that still have a correct checksum, for its readers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edge.journal.pages import JournalPages
from edge.journal.row import JournalRow
from edge.journal.store import companion

# Rows that one scan of the files returns, about 2 MB. A scan takes 4 s for 256 MiB.
_WINDOW_ROWS = 4096

# Most scans until two agree, if the writer changes the files during each of them.
_SCANS = 4


@dataclass(frozen=True, slots=True)
class SalvagedRows:
    """Rows behind a sequence number, ascending. No other intact row lies between them."""

    journal: str
    station: str
    rows: tuple[JournalRow, ...]


class RowSalvage:
    """Finds rows without SQLite, some thousands at a time, and caches them. For one thread."""

    def __init__(self, path: Path) -> None:
        """Read nothing yet."""
        self.has_rows = False  # True if these files have intact rows
        self._path = path
        self._file = (0, 0)
        self._begin = 0
        self._saved: SalvagedRows | None = None
        self._nothing: tuple[str, int, list[tuple[int, int]]] | None = None

    def rows(self, journal: str, begin: int) -> SalvagedRows | None:
        """Return the cached rows behind the sequence number ``begin``, at least one.

        Return None if there is none. journal: its UUID, or "" if it is not known. Blocks, for
        seconds if the files are large.
        """
        saved = self._saved
        is_here = saved is not None and self._file == self._identity() and begin >= self._begin
        if saved is None or not is_here or saved.journal != journal or begin >= _last(saved):
            request = (journal, begin, self._state())
            saved = None if request == self._nothing else self._find(journal, begin)
            self.has_rows = saved is not None or (self.has_rows and self._file == self._identity())
            self._file, self._begin, self._saved = self._identity(), begin, saved
            self._nothing = request if saved is None else None
        if saved is None:
            return None
        rest = tuple(row for row in saved.rows if row.sequence > begin)
        return SalvagedRows(saved.journal, saved.station, rest)

    def _find(self, journal: str, begin: int) -> SalvagedRows | None:
        before: SalvagedRows | None = None
        for _ in range(_SCANS):
            state = self._state()
            rows = self._scan([journal] if journal else [], begin)
            if rows is None or state == self._state():
                return rows
            # The scan can miss a page that the writer moves. Two scans that agree have missed none.
            if before is not None and before.rows[0] == rows.rows[0]:
                return rows
            before = rows
        return None

    def _scan(self, journals: list[str], begin: int) -> SalvagedRows | None:
        with JournalPages(self._path) as pages:
            first, rows = "", dict[int, JournalRow]()
            for proven in pages.rows(journals or pages.journals(), begin):
                first = first or proven.journal
                if proven.journal == first:
                    rows[proven.row.sequence] = proven.row
                if len(rows) >= 2 * _WINDOW_ROWS:
                    rows = {sequence: rows[sequence] for sequence in sorted(rows)[:_WINDOW_ROWS]}
        if not rows:
            # The given UUID may be that of an earlier journal.
            return self._scan([], begin) if journals else None
        window = tuple(rows[sequence] for sequence in sorted(rows)[:_WINDOW_ROWS])
        return SalvagedRows(first, str(json.loads(window[0].body).get("station", "")), window)

    def _identity(self) -> tuple[int, int]:
        try:
            state = self._path.stat()
        except OSError:
            return (0, 0)
        return (state.st_dev, state.st_ino)

    def _state(self) -> list[tuple[int, int]]:
        """Return the state of the files that changes with every transaction."""
        states = []
        for file in (self._path, companion(self._path, "-wal")):
            try:
                state = file.stat()
            except OSError:
                continue
            states.append((state.st_size, state.st_mtime_ns))
        return states


def _last(saved: SalvagedRows) -> int:
    return saved.rows[-1].sequence
