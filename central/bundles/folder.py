"""The folder of bundles, each under the SHA-256 of its file. A file never changes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from edge.bundle import SUFFIX, Bundle, parse_bundle
from edge.errors import OutfeedError
from edge.files import write_durably

_DIGEST = re.compile(r"[0-9a-f]{64}")


class BundleFolderError(OutfeedError):
    """A bundle cannot be stored: it is refused, or there is no space."""


@dataclass(frozen=True, slots=True)
class KeptBundle:
    """A bundle and the SHA-256 of its file, under which the folder keeps it."""

    sha256: str
    bundle: Bundle


def file_name(digest: str) -> str:
    """Return the name of the file with this SHA-256, in the folder and on the server."""
    return f"{digest}{SUFFIX}"


class BundleFolder:
    """Bundles as files SHA256.outfeed in one folder. Any thread and any process may call.

    The content of a name is fixed, so that a download can be continued at any time, by another
    process too.
    """

    def __init__(self, root: Path, max_bytes: int = 1 << 62, trusted: Collection[str] = ()) -> None:
        """Create the folder. Raises OSError.

        max_bytes: the size of all files. trusted: public keys in hexadecimal, one of which must
        have signed what is added.
        """
        root.mkdir(parents=True, exist_ok=True)
        self._root = root
        self._trusted = frozenset(trusted)
        self._max_bytes = max_bytes
        self._lock = Lock()

    def add(self, data: bytes) -> KeptBundle:
        """Verify a bundle completely, and keep it. Blocks for the disk.

        A bundle that is there already is not written again. Raises BundleError for a bundle that
        is refused, and BundleFolderError where there is no space.
        """
        bundle = parse_bundle(data, self._trusted)
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        with self._lock:
            if self._is_whole(path, len(data)):
                return KeptBundle(digest, bundle)
            if self.used_bytes() + len(data) > self._max_bytes:
                limit = self._max_bytes >> 20
                raise BundleFolderError(f"the bundles would have more than {limit} MiB")
            try:
                write_durably(path, data)
            except OSError as error:
                reason = error.strerror or str(error)
                raise BundleFolderError(f"the bundle cannot be written: {reason}") from error
        return KeptBundle(digest, bundle)

    def open(self, digest: str) -> tuple[BinaryIO, int] | None:
        """Return an open file and its size; None where there is none. Raises OSError."""
        if not _DIGEST.fullmatch(digest):
            return None
        try:
            file = self._path(digest).open("rb")
        except FileNotFoundError:
            return None
        return file, os.fstat(file.fileno()).st_size

    def remove(self, digest: str) -> None:
        """Remove a bundle, if it is there. A download that is under way goes on."""
        with suppress(FileNotFoundError):
            self._path(digest).unlink()

    def used_bytes(self) -> int:
        """Return the size of all files."""
        sizes = []
        for path in self._root.glob(f"*{SUFFIX}"):
            with suppress(FileNotFoundError):
                sizes.append(path.stat().st_size)
        return sum(sizes)

    def _path(self, digest: str) -> Path:
        return self._root / file_name(digest)

    @staticmethod
    def _is_whole(path: Path, size_bytes: int) -> bool:
        try:
            return path.stat().st_size == size_bytes
        except OSError:
            return False
