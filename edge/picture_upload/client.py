"""The sender of one picture after the other, over one HTTPS connection."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from enum import Enum

from edge.config.uplink import UplinkConfig
from edge.config.upload import UploadConfig
from edge.errors import OutfeedError
from edge.picture_upload.protocol import DIGEST, LENGTH, OFFSET, digest_text, path_of
from edge.uplink.tls import explain_tls, tls_context

_CHUNK_BYTES = 256 << 10
# After so many wrong offsets or digests a picture is left out.
_TRIES = 3


class UploadError(OutfeedError):
    """A picture was not sent, and may be sent later."""


class SentPicture(Enum):
    """The result for one picture.

    SENT: the receiver has it now. KNOWN: it had it before, or removed it. REFUSED: it does not take
    it.
    """

    SENT = "sent"
    KNOWN = "known"
    REFUSED = "refused"


class UploadClient:
    """Sends pictures of one station. For one thread.

    The certificates are read at each connection, as they may be replaced meanwhile.
    """

    def __init__(
        self,
        station: str,
        upload: UploadConfig,
        tls: UplinkConfig,
        pace: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Open nothing yet.

        Args:
            station: Its id.
            upload: The section [upload], with a url.
            tls: The section [uplink], whose certificate, key and authority are used.
            pace: Called with the bytes of each request after it. It may block.
        """
        self._station = station
        self._upload = upload
        self._tls = tls
        self._pace = pace
        self._connection: http.client.HTTPSConnection | None = None

    def send(self, name: str, data: bytes) -> SentPicture:
        """Send a picture, from the first byte that the receiver does not have. Blocks.

        Raises UploadError, and CredentialsError for TLS files that cannot be used now.
        """
        path = path_of(self._station, name)
        response = self._request("HEAD", path)
        if response.status in (200, 410):
            return SentPicture.KNOWN
        if response.status not in (204, 404):
            raise _unexpected(response)
        offset = _offset(response) if response.status == 204 else 0
        headers = {LENGTH: str(len(data)), DIGEST: digest_text(data)}
        tries = 0
        while True:
            chunk = data[offset : offset + _CHUNK_BYTES]
            response = self._request("PATCH", path, chunk, {**headers, OFFSET: str(offset)})
            self._pace(len(chunk))
            if response.status == 201:
                return SentPicture.SENT
            if response.status == 413:
                return SentPicture.REFUSED
            if response.status == 204 and _offset(response) > offset:
                offset = _offset(response)
                continue
            if response.status not in (204, 409, 422):
                raise _unexpected(response)
            tries += 1
            if tries >= _TRIES:
                return SentPicture.REFUSED
            offset = _offset(response) if response.status == 409 else 0

    def close(self) -> None:
        """Close the connection. A later ``send`` opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        host, port = self._upload.address
        is_new = self._connection is None
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                host, port, timeout=self._upload.timeout_s, context=tls_context(self._tls)
            )
        try:
            self._connection.request(method, path, body or None, headers or {})
            response = self._connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not is_new and isinstance(error, (ConnectionError, http.client.HTTPException)):
                # The receiver has closed an idle connection.
                return self._request(method, path, body, headers)
            reason = explain_tls(error) if isinstance(error, ssl.SSLError) else str(error)
            line = f"{host}:{port}: {reason or type(error).__name__}"
            raise UploadError(line) from error
        if response.will_close:
            self.close()
        return response


def _offset(response: http.client.HTTPResponse) -> int:
    text = response.headers.get(OFFSET, "")
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise UploadError(f"the receiver answers {response.status} without {OFFSET}")
    return int(text)


def _unexpected(response: http.client.HTTPResponse) -> UploadError:
    reason = "".join(c if c.isprintable() else "?" for c in response.reason or "")[:200]
    return UploadError(f"the receiver answers {response.status} {reason}")
