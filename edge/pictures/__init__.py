"""Pictures of parts: the last frames in memory, and selected pictures on the disk.

Pictures are dispensable, verdicts are not. The line and the journal never wait for this package
(docs/decisions/0022-picture-store-and-write-limit.md).
"""

from edge.pictures.keep_rules import KeepRules
from edge.pictures.picture_store import PictureStore, SkippedPicture
from edge.pictures.provenance import Provenance, provenance_of
from edge.pictures.record import PictureRecord
from edge.pictures.recorder import ImageRecorder
from edge.pictures.ring import FrameRing
from edge.pictures.writer import ImageWriter

__all__ = [
    "FrameRing",
    "ImageRecorder",
    "ImageWriter",
    "KeepRules",
    "PictureRecord",
    "PictureStore",
    "Provenance",
    "SkippedPicture",
    "provenance_of",
]
