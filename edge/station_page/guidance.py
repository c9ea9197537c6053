"""The guidance for kinds of defects, from the bundle of the station."""

from __future__ import annotations

from logging import getLogger
from pathlib import Path

from edge.bundle import read_bundle
from edge.errors import BundleError

_log = getLogger(__name__)


class BundleGuidance:
    """Has the full guidance of the bundle file. An event has the first 400 characters of it.

    The file is read again when it changes. A file that cannot be read gives no guidance. For one
    thread at a time.
    """

    def __init__(self, path: Path) -> None:
        """Read nothing yet."""
        self._path = path
        self._file = (0, 0)
        self._bundle = ""
        self._texts: dict[str, str] = {}

    def text(self, bundle: str, kind: str, otherwise: str) -> str:
        """Return the guidance for a kind. bundle: the id of the event's bundle. otherwise: the
        guidance in the event, which is used where the file has another bundle. Blocks."""
        self._look()
        return self._texts.get(kind, otherwise) if bundle == self._bundle else otherwise

    def _look(self) -> None:
        try:
            state = self._path.stat()
        except OSError:
            return
        if (found := (state.st_mtime_ns, state.st_size)) == self._file:
            return
        self._file = found
        try:
            bundle = read_bundle(self._path)
        except BundleError as error:
            _log.warning("page_bundle_not_read reason=%s", error)
            self._bundle, self._texts = "", {}
            return
        self._bundle = bundle.id
        self._texts = {each.name: each.guidance for each in bundle.manifest.kinds}
