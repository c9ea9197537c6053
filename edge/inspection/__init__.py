"""Inspection of files: pictures and videos are inspected in order, with one record for each."""

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
