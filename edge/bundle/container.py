"""The zip archive of a bundle, in the only form that Outfeed writes and reads.

Files are stored, not compressed, one behind the other from the first byte on, the manifest first
and the others by name, with fixed time stamps and modes (PKWARE's APPNOTE 6.3.10, sections 4.3.7,
4.3.12 and 4.3.16). Whatever differs from that form in a single byte is refused, so there is no
place for a symlink, a path that leads elsewhere, overlapping or hidden data. Any zip tool reads it.
Written here and not by zipfile, whose bytes may differ between versions of Python.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping

from edge.errors import BundleError

MANIFEST = "manifest.json"
MAX_FILES = 1000
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*\.[a-z]+$"

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_ZIP_VERSION, _UNIX = 20, 3
_MIDNIGHT, _FIRST_DAY = 0, 1 << 5 | 1  # 1980-01-01, where the time of a zip begins
_MODE = 0o644 << 16
_HEADER = struct.Struct("<4s5H3L2H")
_NAME = re.compile(NAME_PATTERN.encode().removesuffix(b"$") + rb"\Z")


def join(files: Mapping[str, bytes], comment_bytes: int) -> bytes:
    """Return the archive without its comment. A comment of comment_bytes bytes must follow."""
    return b"".join(_pieces(files, comment_bytes))


def split(body: memoryview, comment_bytes: int) -> dict[str, bytes]:
    """Return the files of an archive by ``join``. Raises BundleError for any other archive."""
    files: dict[str, bytes] = {}
    at = 0
    while body[at : at + 4] == _LOCAL:
        name, data = _entry(body, at)
        if name in files:
            raise BundleError(f"holds two files of the name {name!r}")
        if len(files) == MAX_FILES:
            raise BundleError(f"holds more than {MAX_FILES} files")
        files[name] = data
        at += _HEADER.size + len(name) + len(data)
    if not files:
        raise BundleError("is not a bundle: holds no file")
    at = 0
    for piece in _pieces(files, comment_bytes):
        if body[at : at + len(piece)] != piece:
            raise BundleError(
                f"is not in the one form that a bundle has: its zip structure differs at byte {at} "
                "or soon after"
            )
        at += len(piece)
    if at != len(body):
        raise BundleError(f"holds {len(body) - at} bytes that belong to no file")
    return files


def _entry(body: memoryview, at: int) -> tuple[str, bytes]:
    """Return name and content of the file whose header is at the offset ``at``."""
    begin = at + _HEADER.size
    if begin > len(body):
        raise BundleError("is cut short: a file's header has no end")
    fields = _HEADER.unpack(body[at:begin])
    method, size, name_bytes = fields[3], fields[8], fields[9]
    raw = bytes(body[begin : begin + name_bytes])
    if not _NAME.match(raw):
        shown = repr(raw[:60].decode("latin-1"))
        raise BundleError(f"holds a file named {shown}; expected a name as golden/00.png")
    name = raw.decode("ascii")
    if method:
        raise BundleError(f"holds {name!r} compressed; expected it stored")
    begin += len(raw)
    if size > len(body) - begin:
        raise BundleError(f"{name!r} claims {size} bytes, more than the bundle has")
    return name, bytes(body[begin : begin + size])


def _pieces(files: Mapping[str, bytes], comment_bytes: int) -> Iterator[bytes]:
    """Yield the parts of the archive: headers and contents, the directory, its end."""
    directory: list[bytes] = []
    at = 0
    for name in sorted(files, key=lambda name: (name != MANIFEST, name)):
        data, raw = files[name], name.encode("ascii")
        # Flags, method, time, date, checksum, size stored, size, bytes of name and extra field.
        facts = struct.pack(
            "<4H3L2H",
            *(0, 0, _MIDNIGHT, _FIRST_DAY),
            *(zlib.crc32(data), len(data), len(data)),
            *(len(raw), 0),
        )
        yield _LOCAL + struct.pack("<H", _ZIP_VERSION) + facts + raw
        yield data
        # Before the facts the versions made by and needed; after them no comment, disk 0, no
        # internal attributes, the mode, and where the file's header is.
        directory.append(
            _CENTRAL
            + struct.pack("<BBH", _ZIP_VERSION, _UNIX, _ZIP_VERSION)
            + facts
            + struct.pack("<3H2L", 0, 0, 0, _MODE, at)
            + raw
        )
        at += _HEADER.size + len(raw) + len(data)
    yield from directory
    size = sum(map(len, directory))
    count = len(directory)
    yield _END + struct.pack("<4H2LH", 0, 0, count, count, size, at, comment_bytes)
