"""From a station's journal and album to a folder of marked parts."""

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
from edge.quarantine.entry import CopiedPicture, MarkNote, QuarantineEntry, RecordedVerdict, weigh
from edge.quarantine.index import QuarantineIndex, open_index, read_bounded, write_index
from edge.quarantine.marked import MarkedPart, find_marked
from edge.records import Decision
from edge.replay.journalled import part_events
from edge.validation_messages import describe

_MAX_TEXT_CHARS = 400


@dataclass(frozen=True, slots=True)
class CollectionResult:
    """The index as it is now; ids that are new or have other marks than before; and what could not
    be taken, one line each."""

    index: QuarantineIndex
    new: tuple[str, ...]
    changed: tuple[str, ...]
    refused: tuple[str, ...]


def collect(journal: Path, album: Path, folder: Path) -> CollectionResult:
    """Copy the marked parts' pictures to the folder and bring its index up to date.

    The journal and the album are read only. Done again it changes nothing: a picture that was
    copied stays as it is, also after the album has let go of it, and a release is kept (one that
    later marks make void says so itself). Blocks on both disks. Raises OutfeedError where journal,
    album or folder cannot be used at all.
    """
    found = find_marked(journal, album)
    events = part_events(journal, {part.part_id for part in found.parts})
    refused = list(found.unreadable)
    with open_index(folder, create=True) as index:
        before = {entry.id: entry for entry in index.entries}
        after: dict[str, QuarantineEntry] = {}
        for part in found.parts:
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
    """Raises pydantic's ValidationError where the part's own words are not what they must be."""
    event, record = events.get(part.part_id), part.record
    old = before.get(f"{part.journal}-{part.part_id}")
    judged = old.judged if old is not None else None
    if record is not None and record.verdict is not None:
        judged = RecordedVerdict(
            bundle=record.origin.bundle[:_MAX_TEXT_CHARS],
            digest=record.origin.bundle_digest,
            decision=record.verdict.decision.value,
            reason=record.verdict.reason[:_MAX_TEXT_CHARS],
            peak_severity=record.verdict.peak_severity,
        )
    elif judged is None and event is not None:
        judged = RecordedVerdict(
            bundle=event.bundle,
            digest="",
            decision=event.decision.value,
            reason=event.reason,
            peak_severity=event.peak_severity,
        )
    marks = part.in_order
    if old is not None:
        # The journal prunes and the album gives way: what was known once stays known.
        known = {note.id: note for note in old.marks}
        fresh = [m for m in marks if m.id not in known]
        notes = sorted((*old.marks, *map(_note, fresh)), key=lambda note: (note.utc, note.id))
    else:
        notes = [_note(mark) for mark in marks]
    claim, doubts = weigh(notes, None if judged is None else Decision(judged.decision))
    known_boot = record.boot_id if record else event.boot_id if event else ""
    seen = record.utc if record else event.utc if event else ""
    entry = QuarantineEntry(
        station=old.station if old else part.station,
        journal=part.journal,
        boot_id=old.boot_id if old else known_boot,
        part_id=part.part_id,
        seen_utc=old.seen_utc if old else seen,
        marks=tuple(notes),
        claim=claim,
        doubts=doubts,
        judged=judged,
        picture=None if old is None else old.picture,
        release=None if old is None else old.release,
    )
    if entry.picture is not None and (folder / entry.file).is_file():
        return entry
    kept, missing = _copy(part, folder / entry.file)
    return entry.model_copy(update={"picture": kept, "missing": missing[:_MAX_TEXT_CHARS]})


def _note(mark: object) -> MarkNote:
    return MarkNote.model_validate(mark, from_attributes=True)


def _copy(part: MarkedPart, path: Path) -> tuple[CopiedPicture | None, str]:
    """What was copied, or why nothing could be. The pixels are decoded and compared with their
    record first, so that nothing damaged comes into the folder. Raises QuarantineError where the
    folder takes no file."""
    if part.picture is None:
        return None, part.fault or "its picture is not in the album (any more)"
    try:
        data = read_bounded(part.picture)
        record = parse_picture(data, name=part.picture.name).record
    except OutfeedError as error:
        return None, str(error)
    if (record.journal, record.part_id) != (part.journal, part.part_id):
        return None, f"{part.picture.name}: was replaced by another part's"
    try:
        write_atomically(path, data)
    except OSError as error:
        raise QuarantineError(f"{path}: cannot be written: {error.strerror}") from error
    sha256 = hashlib.sha256(data).hexdigest()
    return CopiedPicture(sha256=sha256, pixels_sha256=record.pixels_sha256), ""
