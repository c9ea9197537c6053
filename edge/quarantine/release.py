"""An engineer's word, without which nothing is learned from a marked part. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from edge.errors import QuarantineError, UsageError
from edge.quarantine.entry import Claim, QuarantineEntry, Release
from edge.quarantine.index import QuarantineIndex


def find(index: QuarantineIndex, names: Sequence[str]) -> tuple[QuarantineEntry, ...]:
    """The entries by id, or by the part's number where only one has it. Raises UsageError."""
    found = []
    for name in names:
        same = [e for e in index.entries if name in (e.id, str(e.part_id))]
        if len(same) != 1:
            ids = "; it may be " + ", ".join(entry.id for entry in same) if same else ""
            raise UsageError(f"{name}: names {len(same)} parts of the quarantine{ids}")
        found.append(same[0])
    return tuple(found)


def clear(index: QuarantineIndex) -> tuple[QuarantineEntry, ...]:
    """The entries that may be released together: not released yet, with a picture, and nothing
    speaks against what their marks say."""
    return tuple(e for e in index.entries if not e.released and e.picture and not e.doubts)


def release(
    index: QuarantineIndex,
    entries: Sequence[QuarantineEntry],
    *,
    by: str,
    utc: str,
    claim: Claim | None = None,
) -> QuarantineIndex:
    """The index with these released. claim: the engineer's own word on them, which an entry with
    doubts needs. Raises QuarantineError: then nothing is released."""
    changed = {}
    for entry in entries:
        if entry.picture is None:
            raise QuarantineError(
                f"part {entry.part_id}: has no picture ({entry.missing}); nothing can be learned"
            )
        if claim is None and entry.doubts:
            raise QuarantineError(
                f"part {entry.part_id}: {entry.doubts[0]}; say what it is with --as"
            )
        said = claim or entry.claim
        assert said is not None  # an entry without a claim has a doubt
        word = Release(
            claim=said,
            by=by,
            utc=utc,
            pixels_sha256=entry.picture.pixels_sha256,
            marks=tuple(sorted(entry.mark_ids)),
        )
        changed[entry.id] = entry.model_copy(update={"release": word})
    return index.with_entries(changed)


def withhold(index: QuarantineIndex, entries: Sequence[QuarantineEntry]) -> QuarantineIndex:
    """The index with these no longer released."""
    return index.with_entries({e.id: e.model_copy(update={"release": None}) for e in entries})
