"""The label page: a local web page on which people label pictures (`outfeed label`).

The web framework is imported by ``app``, ``guard`` and ``edge.web`` only
(docs/decisions/0057-label-page.md).
"""

from edge.labelling.folder import LabelFolder, LabelPicture
from edge.labelling.opening import open_folder
from edge.labelling.service import LabelService, Network
from edge.labelling.store import Change, LabelStore, OpenPicture, PictureState

__all__ = [
    "Change",
    "LabelFolder",
    "LabelPicture",
    "LabelService",
    "LabelStore",
    "Network",
    "OpenPicture",
    "PictureState",
    "open_folder",
]
