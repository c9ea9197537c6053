"""Every file below a folder, and what cannot be looked at, with the reason."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

# What systems and programs leave in folders of pictures, beside what is hidden by a dot.
_SYSTEM = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "__pycache__"}
_SYSTEM |= {"$recycle.bin", "lost+found", "system volume information"}
# Read by these names where another path leads to the same folder, also where they are links.
_FIRST = ("images", "masks", "good", "ok")
HIDDEN = "hidden, or of the system"


@dataclass(frozen=True, slots=True)
class Unread:
    """A file or folder that is not read. stops: it may hold pictures or labels that were meant to
    be read, so nothing is trained without it."""

    path: Path
    reason: str
    stops: bool = False


@dataclass(frozen=True, slots=True)
class Files:
    """Regular files below a folder, sorted by path, and what else is there."""

    files: tuple[Path, ...]
    unread: tuple[Unread, ...]


def walk(root: Path) -> Files:
    """Every regular file below ``root``. Blocks on the disk.

    Folders that are links are followed, and a folder that two paths lead to is read once, by the
    path without a link. Hidden files, files of the system, links to nothing, what is no regular
    file, what cannot be read and names that are no UTF-8 text are in ``unread``.
    """
    files: list[Path] = []
    unread: list[Unread] = []
    seen: dict[tuple[int, int], Path] = {}
    waiting, links = [root], list[Path]()
    while waiting or links:
        folder = waiting.pop(0) if waiting else links.pop(0)
        try:
            status = folder.stat()
            first = seen.setdefault((status.st_dev, status.st_ino), folder)
            if first is not folder:
                name = "the folder itself" if first == root else first.relative_to(root).as_posix()
                unread.append(Unread(folder, f"is {name} once more, by a link"))
                continue
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
            unread.append(Unread(folder, reason, stops=True))
            continue
        for entry in found:
            path = folder / entry.name
            if entry.name.startswith(".") or entry.name.lower() in _SYSTEM:
                unread.append(Unread(path, HIDDEN))
            elif not _is_text(entry.name):
                reason = "has characters in its name that cannot be printed; expected another name"
                unread.append(Unread(path, reason, stops=True))
            elif entry.is_dir():
                if folder == root and entry.name.lower() in _FIRST:
                    waiting.insert(0, path)
                else:
                    (links if entry.is_symlink() else waiting).append(path)
            elif entry.is_file():
                files.append(path)
            elif entry.is_symlink():
                unread.append(Unread(path, "is a link to nothing", stops=True))
            else:
                unread.append(Unread(path, "is no regular file"))
    return Files(tuple(sorted(files)), tuple(sorted(unread, key=lambda each: each.path)))


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return name.isprintable()
