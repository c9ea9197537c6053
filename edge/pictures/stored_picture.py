"""A picture of an album, read back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.errors import PictureError
from edge.pictures.png import decode_picture
from edge.pictures.record import PictureRecord, digest_of, parse_record
from edge.records import Frame


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """The frame as the chain saw it, and all that is known of it."""

    frame: Frame
    record: PictureRecord


def read_picture(path: Path) -> StoredPicture:
    """As ``parse_picture``, from a file. Raises PictureError also where it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_picture(data, name=path.name)


def parse_picture(data: bytes, *, name: str) -> StoredPicture:
    """Raises FrameError for a picture that is damaged, PictureError for one whose record is, or
    whose pixels are not those that were judged; each names the file."""
    pixels, text = decode_picture(data, name=name)
    record = parse_record(text, name=name)
    if digest_of(pixels) != record.pixels_sha256:
        raise PictureError(f"{name}: its pixels are not those that were judged (SHA-256)")
    frame = Frame(record.part_id, record.sequence, record.triggered_ns, record.exposed_ns, pixels)
    return StoredPicture(frame, record)
