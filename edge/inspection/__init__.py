"""The chain over files: pictures and videos go in, one record each comes out, in order."""

from edge.inspection.examine import Examined, PictureFault, examine
from edge.inspection.sources import PictureSource, Sources, from_list, from_paths

__all__ = [
    "Examined",
    "PictureFault",
    "PictureSource",
    "Sources",
    "examine",
    "from_list",
    "from_paths",
]
