"""A folder of pictures as it was found: which files are pictures, which tell the truth of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge.data_folder.scan import HIDDEN, Unread

_NAMED = 3  # files of one kind that a line names
MOST_LINES = 40  # of complaints; the rest are counted


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A mask. kind: what its folder says; '' where its colours say it."""

    path: Path
    kind: str


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """One picture. folder: below the folder of pictures, '' right inside it.

    masks: of it, drawn on or not. kind: of defect, by the folder alone; None where that says
    nothing; '' where it says that the part is good.
    """

    path: Path
    folder: str
    masks: tuple[MaskFile, ...] = ()
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class DataFolder:
    """layout: its name, None where none is recognised. entries: the pictures, by path. truths:
    masks and labels that are read as such. unread: the rest of the folder. complaints: one line
    each; while there is one, nothing is to be concluded from a picture without a mask."""

    root: Path
    layout: str | None
    entries: tuple[FolderEntry, ...]
    truths: tuple[Path, ...] = ()
    unread: tuple[Unread, ...] = ()
    complaints: tuple[str, ...] = ()

    @property
    def names_colours(self) -> bool:
        """Return whether a kinds.csv says which colour of a mask is which kind."""
        return (self.root / "kinds.csv").is_file()

    @property
    def says_good(self) -> bool:
        """Return whether anything tells good parts from others: a mask, or a folder good/."""
        return bool(self.truths) or any(entry.kind is not None for entry in self.entries)

    @property
    def pictures(self) -> tuple[Path, ...]:
        return tuple(entry.path for entry in self.entries)


def listing(lines: Iterable[str], what: str) -> tuple[str, ...]:
    """Complaints, each once: one alone as it is; several below a line that counts them, at most
    MOST_LINES of them."""
    lines = tuple(dict.fromkeys(lines))
    if len(lines) <= 1:
        return lines
    more = [f"  and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    told = [f"  {line}" for line in lines[:MOST_LINES]]
    return (f"{what}: {len(lines)} things to put right", *told, *more)


def some_names(paths: Iterable[Path]) -> str:
    """The names of the first few, and dots where there are more."""
    names = sorted(shown(path.name) for path in paths)
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def shown(path: Path | str) -> str:
    """A path for a line of text, with what cannot be printed written as an escape."""
    text = str(path)
    return text if text.isprintable() else ascii(text)[1:-1]


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def unread_lines(root: Path, unread: Iterable[Unread]) -> tuple[str, ...]:
    """Return a few lines on the files that were not read. Files of one folder and reason share a
    line."""
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
