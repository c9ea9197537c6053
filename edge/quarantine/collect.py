"""The collector: it copies marked parts from a journal and a picture store to a quarantine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from edge.errors import OutfeedError, QuarantineError
from edge.events.event import PartEvent
from edge.files import write_atomically
from edge.pictures.record import parse_picture
from edge.quarantine.entry import (
    CopiedPicture,
    MarkNote,
    QuarantineEntry,
    RecordedVerdict,
    combine_marks,
)
from edge.quarantine.index import QuarantineIndex, open_index, read_bounded, write_index
from edge.quarantine.marked import MarkedPart, find_marked
from edge.records import Decision
from edge.replay.journalled import part_events
from edge.validation_messages import describe

_MAX_TEXT_CHARS = 400


@dataclass(frozen=True, slots=True)
class CollectionResult:
    """The result of one collection.

    index: the new index. new, changed: ids of entries that are new or have changed. refused: one
    line for each picture that could not be copied or read.
    """

    index: QuarantineIndex
    new: tuple[str, ...]
    changed: tuple[str, ...]
    refused: tuple[str, ...]


def collect(journal: Path, pictures: Path, folder: Path) -> CollectionResult:
    """Copy the pictures of marked parts to the folder, and update its index.

    The journal and the picture store are only read. A second call without new marks changes
    nothing. A copied picture stays, even after the picture store has removed it. A release stays
    too; later marks make it void (``QuarantineEntry.released``). Blocks on both disks.

    Args:
        journal: The journal of the station.
        pictures: The folder of its picture store.
        folder: The quarantine. It is created if it is missing.

    Raises:
        OutfeedError: Journal, picture store or folder cannot be used.
    """
    marked = find_marked(journal, pictures)
    events = part_events(journal, {part.part_id for part in marked.parts})
    refused = list(marked.unreadable)
    with open_index(folder, create=True) as index:
        before = {entry.id: entry for entry in index.entries}
        after: dict[str, QuarantineEntry] = {}
        for part in marked.parts:
            try:
                entry = _entry(part, events, before, folder)
            except ValidationError as error:
                shown = part.picture.name if part.picture else f"part {part.part_id}"
                refused.append(f"{shown}: {describe(error)}")
                continue
            if entry.missing:
                refused.append(f"part {entry.part_id}: {entry.missing}")
            after[entry.id] = entry
        whole = index.with_entries(after)
        if whole != index or not before:
            write_index(folder, whole)
    return CollectionResult(
        whole,
        tuple(key for key in after if key not in before),
        tuple(key for key in after if key in before and after[key] != before[key]),
        tuple(refused),
    )


def _entry(
    part: MarkedPart,
    events: Mapping[int, PartEvent],
    before: Mapping[str, QuarantineEntry],
    folder: Path,
) -> QuarantineEntry:
    """Return the entry of a part. Raises pydantic's ValidationError for invalid values."""
    event, record = events.get(part.part_id), part.record
    old = before.get(f"{part.journal}-{part.part_id}")
    recorded = old.judged if old is not None else None
    if record is not None and record.verdict is not None:
        recorded = RecordedVerdict(
            bundle=record.origin.bundle[:_MAX_TEXT_CHARS],
            digest=record.origin.bundle_digest,
            decision=record.verdict.decision.value,
            reason=record.verdict.reason[:_MAX_TEXT_CHARS],
            peak_severity=record.verdict.peak_severity,
        )
    elif recorded is None and event is not None:
        recorded = RecordedVerdict(
            bundle=event.bundle,
            digest="",
            decision=event.decision.value,
            reason=event.reason,
            peak_severity=event.peak_severity,
        )
    marks = part.ordered_marks
    if old is not None:
        # Journal and picture store remove their oldest parts, so earlier facts are kept here.
        known = {note.id: note for note in old.marks}
        fresh = [m for m in marks if m.id not in known]
        notes = sorted((*old.marks, *map(_note, fresh)), key=lambda note: (note.utc, note.id))
    else:
        notes = [_note(mark) for mark in marks]
    claim, doubts = combine_marks(notes, None if recorded is None else Decision(recorded.decision))
    known_boot = record.boot_id if record else event.boot_id if event else ""
    utc = record.utc if record else event.utc if event else ""
    entry = QuarantineEntry(
        station=old.station if old else part.station,
        journal=part.journal,
        boot_id=old.boot_id if old else known_boot,
        part_id=part.part_id,
        seen_utc=old.seen_utc if old else utc,
        marks=tuple(notes),
        claim=claim,
        doubts=doubts,
        judged=recorded,
        picture=None if old is None else old.picture,
        release=None if old is None else old.release,
    )
    if entry.picture is not None and (folder / entry.file).is_file():
        return entry
    copied, missing = _copy(part, folder / entry.file)
    return entry.model_copy(update={"picture": copied, "missing": missing[:_MAX_TEXT_CHARS]})


def _note(mark: object) -> MarkNote:
    return MarkNote.model_validate(mark, from_attributes=True)


def _copy(part: MarkedPart, path: Path) -> tuple[CopiedPicture | None, str]:
    """Copy the picture of a part. Return the copy, or None and the reason.

    The pixels are first decoded and compared with their record, so that no damaged file is copied.
    Raises QuarantineError if the folder cannot be written.
    """
    if part.picture is None:
        return None, part.fault or "its picture is not in the picture store (any more)"
    try:
        data = read_bounded(part.picture)
        record = parse_picture(data, name=part.picture.name).record
    except OutfeedError as error:
        return None, str(error)
    if (record.journal, record.part_id) != (part.journal, part.part_id):
        return None, f"{part.picture.name}: was replaced by the picture of another part"
    try:
        write_atomically(path, data)
    except OSError as error:
        raise QuarantineError(f"{path}: cannot be written: {error.strerror}") from error
    sha256 = hashlib.sha256(data).hexdigest()
    return CopiedPicture(sha256=sha256, pixels_sha256=record.pixels_sha256), ""
