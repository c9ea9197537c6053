"""The release of marked parts for training, by an engineer. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from edge.errors import QuarantineError, UsageError
from edge.quarantine.entry import Claim, QuarantineEntry, Release
from edge.quarantine.index import QuarantineIndex


def find_entries(index: QuarantineIndex, names: Sequence[str]) -> tuple[QuarantineEntry, ...]:
    """Return the entries by id, or by part number if only one entry has it. Raises UsageError."""
    entries = []
    for name in names:
        same = [e for e in index.entries if name in (e.id, str(e.part_id))]
        if len(same) != 1:
            ids = "; it may be " + ", ".join(entry.id for entry in same) if same else ""
            raise UsageError(f"{name}: names {len(same)} parts of the quarantine{ids}")
        entries.append(same[0])
    return tuple(entries)


def undoubted_entries(index: QuarantineIndex) -> tuple[QuarantineEntry, ...]:
    """Return the entries that can be released without a claim by the engineer.

    They are not released yet, have a picture, and have no doubts.
    """
    return tuple(e for e in index.entries if not e.released and e.picture and not e.doubts)


def release(
    index: QuarantineIndex,
    entries: Sequence[QuarantineEntry],
    *,
    by: str,
    utc: str,
    claim: Claim | None = None,
) -> QuarantineIndex:
    """Return the index with these entries released.

    Args:
        index: The index before.
        entries: The entries to release.
        by: Name of the engineer.
        utc: Time of the release, RFC 3339.
        claim: The claim by the engineer, which entries with doubts need; None: that of the marks.

    Raises:
        QuarantineError: An entry cannot be released. Then none is.
    """
    changed = {}
    for entry in entries:
        if entry.picture is None:
            raise QuarantineError(
                f"part {entry.part_id}: has no picture ({entry.missing}), so it cannot be used"
            )
        if claim is None and entry.doubts:
            raise QuarantineError(
                f"part {entry.part_id}: {entry.doubts[0]}; state the claim with --as"
            )
        released_claim = claim or entry.claim
        assert released_claim is not None  # an entry without a claim has a doubt
        confirmation = Release(
            claim=released_claim,
            by=by,
            utc=utc,
            pixels_sha256=entry.picture.pixels_sha256,
            marks=tuple(sorted(entry.mark_ids)),
        )
        changed[entry.id] = entry.model_copy(update={"release": confirmation})
    return index.with_entries(changed)


def withhold(index: QuarantineIndex, entries: Sequence[QuarantineEntry]) -> QuarantineIndex:
    """Return the index with these entries not released any more."""
    return index.with_entries({e.id: e.model_copy(update={"release": None}) for e in entries})
