"""The quarantine: a folder with the pictures of marked parts, and an index.

A part is used for training only after an engineer has released it
(docs/decisions/0032-retraining-from-feedback.md).
"""

from edge.quarantine.entry import (
    Claim,
    CopiedPicture,
    MarkNote,
    QuarantineEntry,
    RecordedVerdict,
    Release,
)
from edge.quarantine.index import QuarantineIndex, open_index, read_index, read_pixels

__all__ = [
    "Claim",
    "CopiedPicture",
    "MarkNote",
    "QuarantineEntry",
    "QuarantineIndex",
    "RecordedVerdict",
    "Release",
    "open_index",
    "read_index",
    "read_pixels",
]
