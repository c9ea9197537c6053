"""quarantine.json, and the pictures beside it."""

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
MAX_PIXELS = 1 << 26  # 64 megapixels: what a few bytes of a damaged header may claim


class QuarantineIndex(BaseModel):
    """The folder's content, by part, in the order of the ids."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1] = 1
    entries: Annotated[tuple[QuarantineEntry, ...], Field(max_length=MAX_ENTRIES)] = ()

    @model_validator(mode="after")
    def _once(self) -> QuarantineIndex:
        ids = [entry.id for entry in self.entries]
        if ids != sorted(set(ids)):
            raise ValueError("entries: a part is there twice, or out of order")
        return self

    def with_entries(self, changed: dict[str, QuarantineEntry]) -> QuarantineIndex:
        """With these in place of those of the same id. Raises QuarantineError beyond
        MAX_ENTRIES."""
        whole = {entry.id: entry for entry in self.entries} | changed
        if len(whole) > MAX_ENTRIES:
            raise QuarantineError(f"{len(whole)} parts, {MAX_ENTRIES} at most: begin a new folder")
        return QuarantineIndex(entries=tuple(whole[key] for key in sorted(whole)))


def read_index(folder: Path) -> QuarantineIndex:
    """The folder's index. Raises QuarantineError, one line, where there is none or it is not
    right; it is never taken for an empty one. One that a power cut emptied is read from its
    copy."""
    path = whole_of(folder / INDEX)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_INDEX_BYTES + 1)
    except OSError as error:
        raise QuarantineError(
            f"{path}: cannot be read: {error.strerror}; expected what `outfeed quarantine collect` "
            "wrote"
        ) from error
    if len(data) > _MAX_INDEX_BYTES:
        raise QuarantineError(f"{path}: is larger than {_MAX_INDEX_BYTES} bytes")
    try:
        return QuarantineIndex.model_validate_json(data)
    except ValidationError as error:
        raise QuarantineError(f"{path}: {describe(error)}") from error


@contextmanager
def open_index(folder: Path, *, create: bool = False) -> Iterator[QuarantineIndex]:
    """The index, while nobody else may change it. create: begin an empty one, and the folder, where
    there is none. Raises QuarantineError, and JournalError while another process has it."""
    try:
        if create:
            (folder / "pictures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise QuarantineError(f"{folder}: cannot be made: {error.strerror}") from error
    if not create or (folder / INDEX).exists():
        read_index(folder)  # before a lock is left in a folder that is none of ours
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
    """A part's picture, uint8 H×W or H×W×3, after file and pixels were compared with the index.
    Raises QuarantineError, one line that names the file."""
    path = folder / entry.file
    if entry.picture is None:
        raise QuarantineError(f"{path}: part {entry.part_id} has no picture: {entry.missing}")
    data = read_bounded(path)
    if hashlib.sha256(data).hexdigest() != entry.picture.sha256:
        raise QuarantineError(f"{path}: is not the picture that {INDEX} names (SHA-256)")
    try:
        found = parse_picture(data, name=path.name)
    except OutfeedError as error:
        raise QuarantineError(f"{folder}: {error}") from error
    if found.record.pixels_sha256 != entry.picture.pixels_sha256:
        raise QuarantineError(f"{path}: is not of the part that {INDEX} names")
    return found.frame.pixels


def read_bounded(path: Path) -> bytes:
    """A picture's file: no link, no larger than MAX_PICTURE_BYTES, and its header claims no more
    than MAX_PIXELS. Raises QuarantineError."""
    try:
        if path.is_symlink() or not path.is_file():
            raise QuarantineError(f"{path.name}: is no file of its own")
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
