"""The records of a folder of pictures: its pictures, their masks, and the files not read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge.data_folder.scan import HIDDEN, Unread
from edge.label_files import LabelledShape

_NAMED = 3  # files of one kind that a line names
MOST_LINES = 40  # of complaints; the rest are counted


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A mask. kind: the kind of defect by its folder; '' where its colours give the kind."""

    path: Path
    kind: str


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """One picture. folder: its path below the folder of pictures; '' directly in it.

    masks: all masks of the picture, also empty ones. kind: the kind of defect by the folder alone.
    It is '' in a folder of good parts, and None where the folder gives no kind. shapes: what a
    label file draws in the picture; then the kind is that of the first shape, '' without one.
    """

    path: Path
    folder: str
    masks: tuple[MaskFile, ...] = ()
    kind: str | None = None
    shapes: tuple[LabelledShape, ...] = ()


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The content of a data folder.

    layout: the name of the layout, None if no layout is recognised. entries: the pictures, sorted
    by path. truths: files that are read as masks or labels. unread: all other files. complaints:
    one line for each fault. While there is a complaint, a picture without a mask is not
    known to be good. form: of label files, the format's own name, as "COCO"; else ''. unlabelled:
    pictures that labelled.csv leaves out; they are in ``unread`` too.
    """

    root: Path
    layout: str | None
    entries: tuple[FolderEntry, ...]
    truths: tuple[Path, ...] = ()
    unread: tuple[Unread, ...] = ()
    complaints: tuple[str, ...] = ()
    unlabelled: tuple[Path, ...] = ()
    form: str = ""

    @property
    def names_colours(self) -> bool:
        """Return whether a kinds.csv gives the kind for each colour of a mask."""
        return (self.root / "kinds.csv").is_file()

    @property
    def says_good(self) -> bool:
        """Return whether masks or a folder good/ distinguish good parts from others."""
        return bool(self.truths) or any(entry.kind is not None for entry in self.entries)

    @property
    def pictures(self) -> tuple[Path, ...]:
        return tuple(entry.path for entry in self.entries)


def listing(lines: Iterable[str], what: str) -> tuple[str, ...]:
    """Return complaints without repeats. Several stand below a line that counts them, at most
    MOST_LINES of them."""
    lines = tuple(dict.fromkeys(lines))
    if len(lines) <= 1:
        return lines
    more = [f"  and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    listed = [f"  {line}" for line in lines[:MOST_LINES]]
    return (f"{what}: {len(lines)} things to put right", *listed, *more)


def some_names(paths: Iterable[Path]) -> str:
    """Return the first few names, with dots where there are more."""
    names = sorted(shown(path.name) for path in paths)
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def shown(path: Path | str) -> str:
    """Return a path for a line of text, with escapes for characters that cannot be printed."""
    text = str(path)
    return text if text.isprintable() else ascii(text)[1:-1]


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def unread_lines(root: Path, unread: Iterable[Unread]) -> tuple[str, ...]:
    """Return lines that name the files that were not read, one for each folder and reason."""
    groups: dict[tuple[str, Path], list[Path]] = defaultdict(list)
    for each in unread:
        folder = root if each.reason == HIDDEN else each.path.parent
        groups[each.reason, folder].append(each.path)
    lines = []
    for (reason, folder), paths in sorted(groups.items(), key=lambda group: group[1][0]):
        if len(paths) == 1:
            lines.append(f"{shown(_relative(paths[0], root))}: {reason}")
        else:
            place = _relative(folder, root)
            lines.append(f"{place}/: {len(paths)} files ({some_names(paths)}): {reason}")
    return tuple(lines)


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path != root else root.name
