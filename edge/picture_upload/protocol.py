"""The requests of a picture upload, for both sides.

It follows the terms of resumable uploads in HTTP (draft-ietf-httpbis-resumable-upload) and of
digest fields (RFC 9530), for one picture per path:

- ``HEAD /pictures/v1/STATION/NAME``: 200 where the receiver has the picture, 204 with
  ``Upload-Offset`` where it has a part, 404 where it has nothing, 410 where it removed it.
- ``PATCH`` of the same path appends the body at ``Upload-Offset``. ``Upload-Length`` is the size of
  the picture, ``Repr-Digest`` its SHA-256. 204 with the new ``Upload-Offset``, and 201 at the end.

Errors: 403 the certificate is of another station, 409 the offset is another one (it is in
``Upload-Offset``), 413 the picture is too large, 422 the digest is wrong and the part was removed,
507 the receiver has no space.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

PREFIX = "/pictures/v1"
MAX_PICTURE_BYTES = 64 << 20
MAX_BODY_BYTES = 1 << 20

OFFSET = "Upload-Offset"
LENGTH = "Upload-Length"
DIGEST = "Repr-Digest"


def path_of(station: str, name: str) -> str:
    """Return the path of a picture. Station ids and picture names need no escapes."""
    return f"{PREFIX}/{station}/{name}"


def digest_text(data: bytes) -> str:
    """Return the value of ``Repr-Digest`` for the bytes of a picture."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def parse_digest(text: str) -> bytes | None:
    """Return the SHA-256 of a ``Repr-Digest``; None for anything else."""
    if not (text.startswith("sha-256=:") and text.endswith(":")):
        return None
    try:
        digest = base64.b64decode(text[len("sha-256=:") : -1], validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest if len(digest) == hashlib.sha256().digest_size else None
