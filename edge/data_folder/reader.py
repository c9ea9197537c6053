"""The one reader of folders of pictures: `demo`, `inspect`, training and scoring ask it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edge.data_folder.contents import DataFolder, shown
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
    """The pictures to be inspected below a folder. pictures, videos: sorted by path. truths: masks
    and labels, which are left out. unread: pictures in forms that are not read, links to
    nothing."""

    pictures: tuple[Path, ...]
    videos: tuple[Path, ...] = ()
    truths: tuple[Path, ...] = ()
    unread: tuple[Unread, ...] = ()


def read_folder(root: Path, layout: str | None = None) -> DataFolder:
    """The folder by the first layout that fits, published ones before others; its ``layout`` is
    None where none does. layout: "generic" or "sorted", to be read as this one. Reads masks where
    they alone say whether a part is good. Blocks on the disk.

    Raises FrameError where ``root`` is no folder.
    """
    if not root.is_dir():
        raise FrameError(f"{root}: is not a folder; expected the folder of a data set")
    return _read(root, walk(root), layout)


def find_pictures(path: Path) -> Pictures:
    """Every picture and video at or below ``path``, without masks and labels: those of a data set
    as it is laid out, and elsewhere what its name or a picture beside it tells to be a mask. A
    folder that holds nothing but masks is a folder of pictures.

    ``path`` may be one file, whatever its suffix. Hidden files are left out. Raises FrameError for
    what is not there or cannot be listed.
    """
    if path.is_file():
        return Pictures(() if is_video(path) else (path,), (path,) if is_video(path) else ())
    if not path.is_dir():
        raise FrameError(f"{path}: no such file or folder")
    found = walk(path)
    for each in found.unread:
        if each.reason.startswith("cannot be read"):
            raise FrameError(f"{each.path}: {each.reason}")
    folder = _read(path, found)
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
    """The pictures of ``find_pictures``. Raises FrameError when there is none, too."""
    found = find_pictures(path).pictures
    if not found:
        raise FrameError(f"{path}: no picture below it, expected {', '.join(IMAGE_SUFFIXES)}")
    return found


def _read(root: Path, found: Files, layout: str | None = None) -> DataFolder:
    folder = None if layout else read_published(root, found)
    folder = folder or read_own(root, found, layout)
    if folder is None:
        return DataFolder(root, None, (), (), (*found.unread, *unread_of(root, found.files)))
    stops = tuple(f"{shown(each.path)}: {each.reason}" for each in folder.unread if each.stops)
    return replace(folder, complaints=(*stops, *folder.complaints))


def _is_odd(path: Path) -> bool:
    return is_other_picture(path) or (not path.suffix and bool(picture_form(path)))
