"""The files of an inspection, their order, and their names in the results."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edge.data_folder import find_pictures, unread_lines
from edge.errors import FrameError, UsageError
from edge.images import VIDEO_SUFFIXES

_FRAME_OF_VIDEO = re.compile(r"#\d{6,}$")


@dataclass(frozen=True, slots=True)
class PictureSource:
    """One picture or video. name: posix path that identifies it in the results."""

    path: Path
    name: str

    @property
    def is_video(self) -> bool:
        return self.path.name.lower().endswith(VIDEO_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources to inspect.

    left_out: one line for each kind of file below the folders that is not inspected.
    """

    sources: tuple[PictureSource, ...]
    left_out: tuple[str, ...] = ()


def from_paths(paths: Sequence[Path]) -> Sources:
    """Return every picture and video at or below the paths once, sorted by name.

    Masks and labels of a folder are left out (see ``edge.data_folder``).

    With one path, a name is relative to that folder, or the file's own name. With several it is
    relative to the deepest folder that holds them all, so that ``a/x.png`` and ``b/x.png`` stay
    apart. Hidden files and folders are left out; a file given directly may have any suffix.
    Raises UsageError for a missing path, FrameError for a folder without a picture.
    """
    files: list[Path] = []
    folders: list[Path] = []
    left_out: list[str] = []
    for path in paths:
        if path.is_dir():
            found = find_pictures(path)
            if not (found.pictures or found.videos):
                raise FrameError(f"{path}: no picture or video below it")
            files += [*found.pictures, *found.videos]
            if found.truths:
                left_out.append(_truths(path, found.truths))
            left_out += [f"{path / line}" for line in unread_lines(path, found.unread)]
            folders.append(path)
        elif path.is_file():
            files.append(path)
            folders.append(path.parent)
        else:
            raise UsageError(f"{path}: no such file or folder")
    return Sources(_named(files, folders), tuple(left_out))


def from_list(path: Path) -> Sources:
    """Return the files named in a text file, one per line, relative to the working folder.

    Blank lines and a byte order mark (of editors on Windows) are skipped. Names and order are those
    of ``from_paths`` with several files.

    Raises UsageError for a list that cannot be read or a line that names no file.
    """
    try:
        data = path.read_bytes()
        lines = data.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        found = "UTF-16 text" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "not UTF-8 text"
        raise UsageError(f"{path}: is {found}; expected UTF-8") from error
    files: list[Path] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        file = Path(line.strip())
        if not file.is_file():
            raise UsageError(f"{path}: line {number}: {file}: no such file")
        files.append(file)
    if not files:
        raise UsageError(f"{path}: names no file")
    return Sources(_named(files, [file.parent for file in files]))


def picture_name(name: str) -> str:
    """Return the path of the picture of a record, below a folder of results."""
    if _FRAME_OF_VIDEO.search(name):
        return name + ".png"  # clip.avi#000123.png
    return str(PurePosixPath(name).with_suffix(".png"))


def check_picture_names(sources: Iterable[PictureSource]) -> None:
    """Raises UsageError when two sources would write the same picture: a/x.jpg and a/x.png."""
    taken: dict[str, PictureSource] = {}
    for source in sources:
        name = picture_name(source.name) if not source.is_video else source.name
        other = taken.setdefault(name, source)
        if other is not source:
            raise UsageError(f"{other.path} and {source.path} would both write {name}")


def _truths(folder: Path, truths: Sequence[Path]) -> str:
    some = ", ".join(path.relative_to(folder).as_posix() for path in truths[:3])
    more = ", …" if len(truths) > 3 else ""
    files, are = ("file", "is a mask") if len(truths) == 1 else ("files", "are masks")
    return f"{folder}: {len(truths)} {files} ({some}{more}) {are} or labels and not inspected"


def _named(files: Iterable[Path], folders: Iterable[Path]) -> tuple[PictureSource, ...]:
    # Not resolve(): a link keeps its own name, wherever it points.
    common = os.path.commonpath([os.path.abspath(folder) for folder in folders])  # noqa: PTH100
    unique = {os.path.abspath(file): file for file in files}  # noqa: PTH100
    named = [
        PictureSource(file, Path(absolute).relative_to(common).as_posix())
        for absolute, file in unique.items()
    ]
    return tuple(sorted(named, key=lambda source: source.name))
