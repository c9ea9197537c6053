"""Folders of pictures: which files are pictures, which are masks or labels, what is not read."""

from edge.data_folder.contents import (
    DataFolder,
    FolderEntry,
    MaskFile,
    count,
    listing,
    some_names,
    unread_lines,
)
from edge.data_folder.ignored_content import remarks
from edge.data_folder.mask_checks import read_drawn
from edge.data_folder.reader import (
    Pictures,
    find_pictures,
    is_labelled,
    list_images,
    read_folder,
)
from edge.data_folder.scan import Unread
from edge.data_folder.unrecognised import unrecognised

__all__ = [
    "DataFolder",
    "FolderEntry",
    "MaskFile",
    "Pictures",
    "Unread",
    "count",
    "find_pictures",
    "is_labelled",
    "list_images",
    "listing",
    "read_drawn",
    "read_folder",
    "remarks",
    "some_names",
    "unread_lines",
    "unrecognised",
]
