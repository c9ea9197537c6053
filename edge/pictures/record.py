"""What is written beside a picture's pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from edge.errors import PictureError
from edge.inbox import Mark
from edge.pictures.buffered_frame import KeepReason
from edge.pictures.provenance import Provenance
from edge.records import Verdict
from edge.validation_messages import describe

FORMAT = 1


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """All that is known of a picture in an album.

    journal: the uuid of the station's journal when it started; with part_id it names the part's
    event, as do boot_id and triggered_ns. verdict: what was journalled; None where the station died
    first. said: what the chain said, in time or not; None where it said nothing. pixels_sha256: as
    ``digest_of``. left_bytes: what was left to write after it (edge/pictures/write_limit.py).
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
    kept: KeepReason
    pixels_sha256: str
    verdict: Verdict | None
    said: Verdict | None
    origin: Provenance
    left_bytes: int
    marks: tuple[Mark, ...] = ()
    format: int = FORMAT


def record_text(record: PictureRecord) -> str:
    """As ASCII JSON. Numbers are written so that the same bits come back."""
    text = _RECORD.dump_json(record).decode()
    # JSON's own escapes; pydantic writes UTF-8.
    return text if text.isascii() else "".join(map(_escaped, text))


def parse_record(text: str, *, name: str) -> PictureRecord:
    """Raises PictureError, one line that names the picture."""
    try:
        record = _RECORD.validate_json(text)
    except ValidationError as error:
        raise PictureError(f"{name}: its record: {describe(error)}") from error
    if record.format != FORMAT:
        raise PictureError(f"{name}: its record is of format {record.format}, not {FORMAT}")
    return record


def digest_of(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of the shape and the bytes. Blocks: 1 ms for each 1 to 2 MB."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _escaped(character: str) -> str:
    if character.isascii():
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


_RECORD = TypeAdapter(PictureRecord)
