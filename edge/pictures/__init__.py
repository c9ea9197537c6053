"""Pictures of parts: the last ones in memory, and on the disk those that somebody will look at.

Pictures are dispensable and verdicts are not: nothing here makes the line or the journal wait
(docs/decisions/0022-picture-store-and-write-limit.md).
"""

from edge.pictures.album import Album, SkippedPicture
from edge.pictures.provenance import Provenance, provenance_of
from edge.pictures.record import PictureRecord
from edge.pictures.recorder import ImageRecorder
from edge.pictures.ring import FrameRing
from edge.pictures.rules import KeepRules
from edge.pictures.writer import ImageWriter

__all__ = [
    "Album",
    "FrameRing",
    "ImageRecorder",
    "ImageWriter",
    "KeepRules",
    "PictureRecord",
    "Provenance",
    "SkippedPicture",
    "provenance_of",
]
