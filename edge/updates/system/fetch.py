"""The download of a system to the data partition, continued where it stopped.

The bundle's signature is what makes it acceptable; TLS and the limits here keep a wrong server from
filling the disk or holding the unit up.
"""

from __future__ import annotations

import http.client
import logging
import os
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edge.errors import UsageError
from edge.updates.system.offer import SystemUpdateError

_log = logging.getLogger(__name__)
_CHUNK = 256 << 10
_RANGE = re.compile(r"bytes (\d{1,12})-(\d{1,12})/(\d{1,12})")
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Limits of a download.

    Attributes:
        max_bytes: A longer file is refused.
        free_bytes: This much of the data partition stays free for the journal.
        timeout_s: A silent connection ends.
        slow_s: Below slow_bytes_per_s over this time a connection ends.
        slow_bytes_per_s: See slow_s.
        attempts: Connections in a row that bring nothing.
        pause_s: The wait after such a connection.
    """

    max_bytes: int = 2048 * _MIB
    free_bytes: int = 512 * _MIB
    timeout_s: float = 30.0
    slow_s: float = 60.0
    slow_bytes_per_s: float = 1024.0
    attempts: int = 20
    pause_s: float = 15.0


class _InterruptedError(Exception):
    """A connection ended early; the next one continues."""


def fetch(
    address: str,
    folder: Path,
    *,
    authority: Path | None = None,
    limits: FetchLimits = FetchLimits(),
    wait: Callable[[float], None] = time.sleep,
) -> Path:
    """Download a bundle and return its path. Blocks.

    ``update.part`` grows; ``update.source`` names its address and the server's ETag, so that parts
    of two files are never joined.

    Raises:
        UsageError: The address is not https://HOST/NAME.raucb.
        SystemUpdateError: The server refuses, the file is too large, or the disk is too full.
    """
    url = urlsplit(address)
    if url.scheme != "https" or not url.hostname or not url.path.endswith(".raucb"):
        raise UsageError(f"BUNDLE: expected https://HOST/NAME.raucb, found {address}")
    try:
        context = ssl.create_default_context(cafile=None if authority is None else str(authority))
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemUpdateError(f"{authority or folder}: cannot be used: {error}") from error
    file = _File(address, folder, limits)
    failures = 0
    while not file.complete:
        before = file.size
        connection = http.client.HTTPSConnection(
            url.hostname, url.port or 443, timeout=limits.timeout_s, context=context
        )
        try:
            query = f"?{url.query}" if url.query else ""
            file.continue_by(connection, url.path + query)
        except (OSError, http.client.HTTPException, _InterruptedError) as error:
            failures = failures + 1 if file.size == before else 0
            reason = str(error) or type(error).__name__
            if failures >= limits.attempts or isinstance(error, ssl.SSLCertVerificationError):
                raise SystemUpdateError(f"{url.hostname}: {reason}") from error
            _log.warning("system_download_interrupted at=%d reason=%s", file.size, reason)
            wait(limits.pause_s)
        finally:
            connection.close()
    return file.finish()


class _File:
    """The file that grows."""

    def __init__(self, address: str, folder: Path, limits: FetchLimits) -> None:
        self._address = address
        self._part = folder / "update.part"
        self._source = folder / "update.source"
        self._done = folder / "update.raucb"
        self._limits = limits
        self._total: int | None = None

    @property
    def size(self) -> int:
        try:
            return self._part.stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def complete(self) -> bool:
        return self._total is not None and self.size == self._total

    def continue_by(self, connection: http.client.HTTPSConnection, path: str) -> None:
        """Ask for what is missing and write it. Raises _InterruptedError where it ends early."""
        offset, tag = self.size, self._known_tag()
        headers = {"Range": f"bytes={offset}-", "If-Range": tag} if offset and tag else {}
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        if response.status == 206:
            found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != offset:
                raise SystemUpdateError("the server sends another range than was asked for")
            self._total = int(found[3])
        elif response.status == 200:
            offset, self._total = 0, response.length
        elif response.status == 416:
            self._part.unlink(missing_ok=True)
            raise _InterruptedError("the server has no such range: the download begins again")
        elif response.status >= 500:
            raise _InterruptedError(f"the server answers {response.status}")
        else:
            raise SystemUpdateError(f"the server answers {response.status} for {path}")
        if self._total is None:
            raise SystemUpdateError("the server states no length (Content-Length)")
        self._check_space(offset)
        if not offset:
            tag = response.headers.get("ETag", "")
            self._source.write_text(f"{self._address}\n{tag}\n")
        self._write(response, offset)

    def finish(self) -> Path:
        """Give the complete file its name."""
        self._part.replace(self._done)
        self._source.unlink(missing_ok=True)
        return self._done

    def _known_tag(self) -> str:
        try:
            address, tag = self._source.read_text().split("\n")[:2]
        except (OSError, ValueError):
            return ""
        return tag if address == self._address and not tag.startswith("W/") else ""

    def _check_space(self, offset: int) -> None:
        assert self._total is not None
        if self._total > self._limits.max_bytes:
            raise SystemUpdateError(
                f"{self._total} bytes: expected at most {self._limits.max_bytes}"
            )
        state = os.statvfs(self._part.parent)
        left = state.f_bavail * state.f_frsize - (self._total - offset)
        if offset == 0:
            left += self.size  # the part that is there is replaced
        if left < self._limits.free_bytes:
            raise SystemUpdateError(
                f"{self._part.parent}: the download would leave {max(left, 0) // _MIB} MiB free, "
                f"expected {self._limits.free_bytes // _MIB} MiB for the journal"
            )

    def _write(self, response: http.client.HTTPResponse, offset: int) -> None:
        assert self._total is not None
        left = self._total - offset
        mode = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (0 if offset else os.O_TRUNC)
        descriptor = os.open(self._part, mode, 0o640)
        with os.fdopen(descriptor, "wb") as file:
            file.seek(offset)
            since_s, since_left = time.monotonic(), left
            while left:
                chunk = response.read1(min(_CHUNK, left))
                if not chunk:
                    raise _InterruptedError(f"the server ended the connection, {left} bytes early")
                file.write(chunk)
                left -= len(chunk)
                passed_s = time.monotonic() - since_s
                if passed_s >= self._limits.slow_s:
                    if (since_left - left) / passed_s < self._limits.slow_bytes_per_s:
                        raise _InterruptedError("the server is too slow")
                    since_s, since_left = time.monotonic(), left
            file.flush()
            os.fsync(file.fileno())
