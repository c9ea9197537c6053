"""Pictures of parts: the last ones in memory, and on the disk those that somebody will look at.

Pictures are dispensable and verdicts are not: nothing here makes the line or the journal wait
(docs/decisions/0022-picture-store-and-write-limit.md).
"""

from edge.pictures.album import Album, LeftOut
from edge.pictures.provenance import Origin, origin_of
from edge.pictures.record import PictureRecord
from edge.pictures.recorder import Keeper
from edge.pictures.ring import Ring
from edge.pictures.rules import KeepRules
from edge.pictures.writer import Scribe

__all__ = [
    "Album",
    "KeepRules",
    "Keeper",
    "LeftOut",
    "Origin",
    "PictureRecord",
    "Ring",
    "Scribe",
    "origin_of",
]
