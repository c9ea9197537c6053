"""The reader of folders of pictures for `demo`, `inspect`, training and scoring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edge.data_folder.contents import DataFolder, shown
from edge.data_folder.labelled_layout import LABELS, label_roles, read_labelled
from edge.data_folder.names import (
    is_other_picture,
    is_picture,
    is_video,
    picture_form,
)
from edge.data_folder.published_layout import read_published
from edge.data_folder.scan import Files, Unread, walk
from edge.data_folder.sidecar_masks import truths_among
from edge.data_folder.user_layout import read_own, unread_of
from edge.errors import FrameError
from edge.images import IMAGE_SUFFIXES


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures below a folder that are to be inspected.

    pictures, videos: sorted by path. truths: masks and labels, which are not inspected. unread:
    pictures in formats that are not read, and broken links.
    """

    pictures: tuple[Path, ...]
    videos: tuple[Path, ...] = ()
    truths: tuple[Path, ...] = ()
    unread: tuple[Unread, ...] = ()


def read_folder(root: Path, layout: str | None = None, *, labelled: bool = True) -> DataFolder:
    """Return the content by the first layout that fits; published layouts come first.

    The ``layout`` of the result is None if none fits. layout: "labels", "generic" or "sorted", to
    read the folder as this layout only. labelled: leave out the pictures that labelled.csv leaves
    out, and require a label of each picture beside label files of other tools. Reads masks where
    only their content shows whether a part is good, and label files. Blocks on the disk. Raises
    FrameError if ``root`` is not a folder.
    """
    if not root.is_dir():
        raise FrameError(f"{root}: is not a folder; expected the folder of a data set")
    return _read(root, walk(root), layout, labelled=labelled)


def find_pictures(path: Path) -> Pictures:
    """Return every picture and video at or below ``path``, without masks and labels.

    In a data set the layout decides which files are masks. Elsewhere the name of a file or a
    picture beside it decides. A folder that holds only masks is a folder of pictures.

    ``path`` may be one file, whatever its suffix. Hidden files are left out. Raises FrameError for
    a path that does not exist or cannot be listed. Blocks on the disk.
    """
    if path.is_file():
        return Pictures(() if is_video(path) else (path,), (path,) if is_video(path) else ())
    if not path.is_dir():
        raise FrameError(f"{path}: no such file or folder")
    found = walk(path)
    for each in found.unread:
        if each.reason.startswith("cannot be read"):
            raise FrameError(f"{each.path}: {each.reason}")
    folder = _read(path, found, shapes=False)
    pictures = [file for file in found.files if is_picture(file)]
    truths = {file for file in folder.truths if is_picture(file)}
    if folder.layout in (None, "generic", "sorted"):
        truths |= truths_among([file for file in pictures if file not in truths], path)
    left = tuple(file for file in pictures if file not in truths)
    if not left:
        left, truths = tuple(pictures), set()
    unread = [each for each in found.unread if each.stops]
    odd = [file for file in found.files if not is_picture(file) and _is_odd(file)]
    videos = tuple(file for file in found.files if is_video(file))
    return Pictures(left, videos, tuple(sorted(truths)), (*unread, *unread_of(path, odd)))


def list_images(path: Path) -> tuple[Path, ...]:
    """Return the pictures of ``find_pictures``. Raises FrameError also if there is none."""
    found = find_pictures(path).pictures
    if not found:
        raise FrameError(f"{path}: no picture below it, expected {', '.join(IMAGE_SUFFIXES)}")
    return found


def is_labelled(root: Path) -> bool:
    """Return whether a folder holds label files of a format that is read. Blocks on the disk."""
    return label_roles(root, walk(root)) is not None


def _read(
    root: Path,
    found: Files,
    layout: str | None = None,
    *,
    labelled: bool = True,
    shapes: bool = True,
) -> DataFolder:
    """shapes: read the label files, and not only which files they are."""
    folder = None if layout else read_published(root, found)
    if folder is None and layout in (None, LABELS):
        roles = label_roles(root, found)
        if roles is not None:
            folder = (
                read_labelled(root, found, roles, complete=labelled)
                if shapes
                else roles.only_pictures(root)
            )
    if layout != LABELS:
        folder = folder or read_own(root, found, layout, labelled=labelled)
    if folder is None:
        return DataFolder(root, None, (), (), (*found.unread, *unread_of(root, found.files)))
    stops = tuple(f"{shown(each.path)}: {each.reason}" for each in folder.unread if each.stops)
    return replace(folder, complaints=(*stops, *folder.complaints))


def _is_odd(path: Path) -> bool:
    return is_other_picture(path) or (not path.suffix and bool(picture_form(path)))
