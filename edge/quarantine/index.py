"""The index of a quarantine, quarantine.json, and its pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.bounded_reads import whole_of
from edge.errors import OutfeedError, QuarantineError
from edge.files import write_with_backup
from edge.journal.lock import FileLock
from edge.pictures.record import parse_picture
from edge.quarantine.entry import QuarantineEntry
from edge.validation_messages import describe

INDEX = "quarantine.json"
MAX_ENTRIES = 10_000
_MAX_INDEX_BYTES = 64 << 20
MAX_PICTURE_BYTES = 256 << 20
MAX_PIXELS = 1 << 26  # 64 megapixels; a damaged header may claim more


class QuarantineIndex(BaseModel):
    """The entries of the folder, in the order of their ids."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1] = 1
    entries: Annotated[tuple[QuarantineEntry, ...], Field(max_length=MAX_ENTRIES)] = ()

    @model_validator(mode="after")
    def _once(self) -> QuarantineIndex:
        ids = [entry.id for entry in self.entries]
        if ids != sorted(set(ids)):
            raise ValueError("entries: a part is listed twice, or out of order")
        return self

    def with_entries(self, changed: dict[str, QuarantineEntry]) -> QuarantineIndex:
        """Return the index with these entries added, or replaced where the id exists.

        Raises QuarantineError for more than MAX_ENTRIES entries.
        """
        entries = {entry.id: entry for entry in self.entries} | changed
        if len(entries) > MAX_ENTRIES:
            raise QuarantineError(
                f"{len(entries)} parts, {MAX_ENTRIES} at most: begin a new folder"
            )
        return QuarantineIndex(entries=tuple(entries[key] for key in sorted(entries)))


def read_index(folder: Path) -> QuarantineIndex:
    """Return the index of the folder.

    A file that a power loss emptied is read from its backup. Raises QuarantineError, one line, for
    a missing or invalid index; it is never read as an empty one.
    """
    path = whole_of(folder / INDEX)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_INDEX_BYTES + 1)
    except OSError as error:
        raise QuarantineError(
            f"{path}: cannot be read: {error.strerror}; expected a folder "
            "that `outfeed quarantine collect` wrote"
        ) from error
    if len(data) > _MAX_INDEX_BYTES:
        raise QuarantineError(f"{path}: is larger than {_MAX_INDEX_BYTES} bytes")
    try:
        return QuarantineIndex.model_validate_json(data)
    except ValidationError as error:
        raise QuarantineError(f"{path}: {describe(error)}") from error


@contextmanager
def open_index(folder: Path, *, create: bool = False) -> Iterator[QuarantineIndex]:
    """Open the index for changes; other processes cannot open it meanwhile.

    create: create the folder with an empty index if it is missing. Raises QuarantineError, and
    JournalError while another process has it open.
    """
    try:
        if create:
            (folder / "pictures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise QuarantineError(f"{folder}: cannot be created: {error.strerror}") from error
    if not create or (folder / INDEX).exists():
        read_index(folder)  # before a lock file is written to a folder that is no quarantine
    lock = FileLock(folder / ".lock", held="another process is changing this quarantine")
    try:
        yield read_index(folder) if (folder / INDEX).exists() else QuarantineIndex()
    finally:
        lock.release()


def write_index(folder: Path, index: QuarantineIndex) -> None:
    """Replace the index in one step. Blocks for fsyncs. Raises QuarantineError."""
    try:
        write_with_backup(folder / INDEX, index.model_dump_json(indent=1).encode() + b"\n")
    except OSError as error:
        raise QuarantineError(f"{folder / INDEX}: cannot be written: {error.strerror}") from error


def read_pixels(folder: Path, entry: QuarantineEntry) -> NDArray[np.uint8]:
    """Return a part's pixels, uint8, H×W or H×W×3, checked against the index.

    Raises QuarantineError, one line that names the file.
    """
    path = folder / entry.file
    if entry.picture is None:
        raise QuarantineError(f"{path}: part {entry.part_id} has no picture: {entry.missing}")
    data = read_bounded(path)
    if hashlib.sha256(data).hexdigest() != entry.picture.sha256:
        raise QuarantineError(f"{path}: is not the picture that {INDEX} names (SHA-256)")
    try:
        picture = parse_picture(data, name=path.name)
    except OutfeedError as error:
        raise QuarantineError(f"{folder}: {error}") from error
    if picture.record.pixels_sha256 != entry.picture.pixels_sha256:
        raise QuarantineError(f"{path}: does not show the part that {INDEX} names")
    return picture.frame.pixels


def read_bounded(path: Path) -> bytes:
    """Return the bytes of a picture's file.

    Raises QuarantineError for a link, for more than MAX_PICTURE_BYTES, and for a header that claims
    more than MAX_PIXELS.
    """
    try:
        if path.is_symlink() or not path.is_file():
            raise QuarantineError(f"{path.name}: is not a regular file")
        with path.open("rb") as file:
            data = file.read(MAX_PICTURE_BYTES + 1)
    except OSError as error:
        raise QuarantineError(f"{path.name}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_PICTURE_BYTES:
        raise QuarantineError(f"{path.name}: is larger than {MAX_PICTURE_BYTES} bytes")
    # Width and height are the first fields of IHDR, the first chunk (PNG, section 11.2.1).
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    if width * height > MAX_PIXELS:
        raise QuarantineError(f"{path.name}: claims {width}×{height} px; {MAX_PIXELS} px at most")
    return data
