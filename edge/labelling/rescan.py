"""Pictures that come into the folder while the page is open."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Lock

from edge.errors import OutfeedError
from edge.labelling.opening import open_folder
from edge.labelling.store import LabelStore

_log = logging.getLogger(__name__)

LEAST_S = 5.0  # from one look to the next
_REST = 20  # a look that takes 1 s is followed by 20 s without one
_Stamp = tuple[int, int]  # time of the last change in ns, size in bytes


class FolderWatch:
    """Looks for new pictures, at most every LEAST_S seconds and for 5 % of the time.

    A picture counts from the second look on that finds its file unchanged: it may still be being
    copied. Any thread may call ``look``; while one looks, the others return at once.
    """

    def __init__(
        self, store: LabelStore, now_s: Callable[[], float], least_s: float = LEAST_S
    ) -> None:
        """now_s: a monotonic clock in seconds."""
        self._store = store
        self._now_s = now_s
        self._least_s = least_s
        self._next_s = now_s() + least_s
        self._stamps: dict[str, _Stamp] = {}
        self._reason = ""
        self._lock = Lock()

    def look(self) -> tuple[str, ...]:
        """Return the names of the pictures that are new; () where it is too early to look.

        Blocks on the disk where it is time. A folder that cannot be read now is logged once.
        """
        if not self._lock.acquire(blocking=False):
            return ()
        try:
            began_s = self._now_s()
            if began_s < self._next_s:
                return ()
            try:
                return self._look()
            finally:
                now_s = self._now_s()
                self._next_s = now_s + max(self._least_s, _REST * (now_s - began_s))
        finally:
            self._lock.release()

    def _look(self) -> tuple[str, ...]:
        folder = self._store.folder
        out = folder.root if folder.copies else None
        try:
            found = open_folder(folder.source, out, others=False)
        except OutfeedError as error:
            if str(error) != self._reason:
                _log.warning("label_folder_unread reason=%s", error)
            self._reason = str(error)
            return ()
        self._reason = ""
        known = {picture.file for picture in folder.pictures}
        new = [picture for picture in found.pictures if picture.file not in known]
        stamps = {each.file: stamp for each in new if (stamp := _stamp(each.source)) is not None}
        settled = tuple(
            each
            for each in new
            if each.file in stamps and self._stamps.get(each.file) == stamps[each.file]
        )
        self._stamps = stamps
        return self._store.refresh(replace(found, pictures=settled))


def _stamp(path: Path) -> _Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
