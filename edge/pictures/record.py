"""A stored picture: its record, which is JSON in the PNG file, and its pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError

from edge.errors import PictureError
from edge.inbox import Mark
from edge.pictures.keep_rules import KeepReason
from edge.pictures.png import decode_picture
from edge.pictures.provenance import Provenance
from edge.records import Frame, Verdict
from edge.validation_messages import describe

FORMAT = 1


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """The record of a stored picture.

    In JSON, the key of ``reason`` is "kept" and the key of ``chain_verdict`` is "said".

    journal: UUID of the station's journal at its start; journal and part_id identify the part's
    event, and so do boot_id and triggered_ns. verdict: the journalled verdict; None if the station
    crashed before. chain_verdict: the verdict of the chain, in time or not; None if there was none.
    pixels_sha256: the result of ``digest_of``. left_bytes: bytes that the write limit allowed after
    this picture (edge/pictures/write_limit.py).
    """

    number: int
    station: str
    journal: str
    boot_id: str
    utc: str
    part_id: int
    sequence: int
    triggered_ns: int
    exposed_ns: int
    reason: Annotated[KeepReason, Field(alias="kept")]
    pixels_sha256: str
    verdict: Verdict | None
    chain_verdict: Annotated[Verdict | None, Field(alias="said")]
    origin: Provenance
    left_bytes: int
    marks: tuple[Mark, ...] = ()
    format: int = FORMAT


def record_text(record: PictureRecord) -> str:
    """Return the record as ASCII JSON. A float is written so that reading returns the same bits."""
    text = _RECORD.dump_json(record, by_alias=True).decode()
    # Pydantic writes UTF-8, and a tEXt chunk must be Latin-1.
    return text if text.isascii() else "".join(map(_escaped, text))


def parse_record(text: str, *, name: str) -> PictureRecord:
    """Return the record. Raises PictureError, one line that names the picture."""
    try:
        record = _RECORD.validate_json(text)
    except ValidationError as error:
        raise PictureError(f"{name}: its record: {describe(error)}") from error
    if record.format != FORMAT:
        raise PictureError(f"{name}: its record is of format {record.format}, not {FORMAT}")
    return record


def digest_of(pixels: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of shape and bytes. Blocks for 1 ms for each 1 to 2 MB."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """The frame as the chain inspected it, and its record."""

    frame: Frame
    record: PictureRecord


def read_picture(path: Path) -> StoredPicture:
    """Read a picture's file. Raises as ``parse_picture``, and PictureError if it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_picture(data, name=path.name)


def parse_picture(data: bytes, *, name: str) -> StoredPicture:
    """Return the picture in the bytes of a file. The pixels are compared with the record.

    Raises FrameError for a damaged picture, and PictureError for a damaged record or for pixels
    other than the chain inspected. Both name the file.
    """
    pixels, text = decode_picture(data, name=name)
    record = parse_record(text, name=name)
    if digest_of(pixels) != record.pixels_sha256:
        raise PictureError(f"{name}: its pixels are not those that were inspected (SHA-256)")
    frame = Frame(record.part_id, record.sequence, record.triggered_ns, record.exposed_ns, pixels)
    return StoredPicture(frame, record)


def _escaped(character: str) -> str:
    if character.isascii():
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


_RECORD = TypeAdapter(PictureRecord)
