"""What people marked, set aside for learning: pictures with an index.

Nothing is learned from a part before an engineer has released it
(docs/decisions/0032-retraining-from-feedback.md)."""

from edge.quarantine.entry import Claim, Entry, Judged, Kept, MarkNote, Release
from edge.quarantine.index import Index, open_index, read_index, read_pixels

__all__ = [
    "Claim",
    "Entry",
    "Index",
    "Judged",
    "Kept",
    "MarkNote",
    "Release",
    "open_index",
    "read_index",
    "read_pixels",
]
