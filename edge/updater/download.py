"""The download of one file over HTTPS, resumed where it stopped, and checked by its hash."""

from __future__ import annotations

import http.client
import os
import re
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from edge.active_bundle import bundle_file, file_digest
from edge.config.updates import UpdatesConfig
from edge.config.uplink import UplinkConfig
from edge.errors import OutfeedError
from edge.updates.desired import SERVER_PATH, DesiredBundle
from edge.uplink.tls import explain_tls, tls_context

_CHUNK_BYTES = 64 << 10
_SYNC_BYTES = 1 << 20
_SLOW_S = 60.0  # the time over which a rate below updates.min_kb_per_s ends a connection
_RANGE = re.compile(r"bytes (\d{1,12})-(\d{1,12})/(\d{1,12}|\*)")


class DownloadError(OutfeedError):
    """The download failed, and may succeed later."""


class RefusedDownloadError(OutfeedError):
    """The download cannot succeed: the server has another file, or there is no space for it."""


class Download:
    """Downloads one bundle into a folder. For one thread.

    The file ``SHA256.part`` grows, and becomes ``SHA256.outfeed`` when its hash is right. Never
    more than ``size_bytes`` are read. The certificates are read at each connection.
    """

    def __init__(
        self,
        bundle: DesiredBundle,
        folder: Path,
        updates: UpdatesConfig,
        tls: UplinkConfig,
        pace: Callable[[int], bool],
        *,
        slow_s: float = _SLOW_S,
    ) -> None:
        """Open nothing yet. pace: called with the bytes of each chunk, and may block. It returns
        False to end the download."""
        self._bundle = bundle
        self._folder = folder
        self._updates = updates
        self._tls = tls
        self._pace = pace
        self._slow_s = slow_s
        self._part = folder / f"{bundle.sha256}.part"

    @property
    def path(self) -> Path:
        """Return the path of the complete file."""
        return bundle_file(self._folder, self._bundle.sha256)

    @property
    def loaded_bytes(self) -> int:
        """Return the size of what is there already."""
        for path in (self.path, self._part):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                continue
        return 0

    def run(self) -> bool:
        """Download until the file is complete. Return False if ``pace`` ended it. Blocks.

        Raises DownloadError, RefusedDownloadError and CredentialsError.
        """
        if self.path.exists():
            if file_digest(self.path) == self._bundle.sha256:
                return True
            self.path.unlink()
        self._check_space()
        if self._part.exists() and self._part.stat().st_size > self._bundle.size_bytes:
            self._part.unlink()
        if self.loaded_bytes < self._bundle.size_bytes and not self._load():
            return False
        self._finish()
        return True

    def _check_space(self) -> None:
        limits, size = self._updates, self._bundle.size_bytes
        if size > limits.max_bytes:
            raise RefusedDownloadError(
                f"{size} bytes are more than updates.max_mb ({limits.max_mb:g} MiB) allows"
            )
        state = os.statvfs(self._folder)
        free = state.f_bavail * state.f_frsize - (size - self.loaded_bytes)
        if free < limits.min_free_bytes:
            raise DownloadError(
                f"{self._folder}: the disk would have less than updates.min_free_mb "
                f"({limits.min_free_mb:g} MiB) free"
            )

    def _load(self) -> bool:
        host, port = self._updates.address
        connection = http.client.HTTPSConnection(
            host, port, timeout=self._updates.timeout_s, context=tls_context(self._tls)
        )
        try:
            offset = self._part.stat().st_size if self._part.exists() else 0
            headers = {"Range": f"bytes={offset}-"} if offset else {}
            connection.request("GET", f"{SERVER_PATH}/{self._bundle.file}", headers=headers)
            response = connection.getresponse()
            return self._receive(response, self._begin(response, offset))
        except (OSError, http.client.HTTPException) as error:
            reason = explain_tls(error) if isinstance(error, ssl.SSLError) else str(error)
            line = f"{host}:{port}: {reason or type(error).__name__}"
            raise DownloadError(line) from error
        finally:
            connection.close()

    def _begin(self, response: http.client.HTTPResponse, offset: int) -> int:
        """Return the offset of the body. Raises DownloadError for any other answer."""
        size = self._bundle.size_bytes
        if response.status == 200:
            begin, length = 0, response.length
            total = length
        elif response.status == 206:
            found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != offset:
                raise DownloadError("the server sends another range than was asked for")
            begin, total = offset, None if found[3] == "*" else int(found[3])
        elif response.status == 416:
            self._part.unlink(missing_ok=True)
            raise DownloadError("the server has no such range: the download begins again")
        else:
            reason = "".join(c if c.isprintable() else "?" for c in response.reason or "")[:100]
            raise DownloadError(f"the server answers {response.status} {reason}")
        if total is not None and total != size:
            raise DownloadError(
                f"the server has {total} bytes of {self._bundle.file}; expected {size}"
            )
        return begin

    def _receive(self, response: http.client.HTTPResponse, begin: int) -> bool:
        left = self._bundle.size_bytes - begin
        mode = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._part, mode | (0 if begin else os.O_TRUNC), 0o640)
        with os.fdopen(descriptor, "wb") as file:
            file.seek(begin)
            unsynced, since_s, since_left = 0, time.monotonic(), left
            while left:
                chunk = response.read1(min(_CHUNK_BYTES, left))
                if not chunk:
                    raise DownloadError(f"the server ended the connection, {left} bytes early")
                file.write(chunk)
                left -= len(chunk)
                unsynced += len(chunk)
                if unsynced >= _SYNC_BYTES or not left:
                    file.flush()
                    os.fsync(file.fileno())
                    unsynced = 0
                if not self._pace(len(chunk)):
                    return False
                passed_s = time.monotonic() - since_s
                if passed_s >= self._slow_s:
                    self._check_rate((since_left - left) / passed_s)
                    since_s, since_left = time.monotonic(), left
        return True

    def _check_rate(self, bytes_per_s: float) -> None:
        limit = min(self._updates.min_kb_per_s, self._updates.max_kb_per_s / 2) * 1024
        if bytes_per_s < limit:
            raise DownloadError(
                f"the server sends {bytes_per_s / 1024:.3g} KiB/s, less than updates.min_kb_per_s"
            )

    def _finish(self) -> None:
        """Compare the hash of what the disk has, and give the file its name."""
        with self._part.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        found = file_digest(self._part)
        if found != self._bundle.sha256:
            self._part.unlink()
            raise RefusedDownloadError(
                f"the server's {self._bundle.file} has SHA-256 {found[:12]}…; the desired state "
                f"names {self._bundle.sha256[:12]}…"
            )
        self._part.replace(self.path)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
