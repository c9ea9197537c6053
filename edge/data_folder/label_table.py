"""The table labelled.csv of a data folder: the pictures that a person has labelled.

    file,label,kind,by,utc
    images/0001.png,good,,Ada,2026-11-30T08:00:00Z
    images/0002.png,bad,scratch,Ada,2026-11-30T08:00:09Z

``file`` is the path in the data folder. In a folder with this table only pictures with the label
good or bad are read, and pictures with a mask that have no line. ``kind`` is that of a bad part
without a mask; "bad" where it is empty. `outfeed label` writes the table.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from edge.data_folder.contents import DataFolder, FolderEntry
from edge.data_folder.masks import may_be_drawn
from edge.data_folder.names import LABELLED, plain
from edge.data_folder.scan import Unread
from edge.errors import FrameError

# unfinished: its files are being written; after a crash they may be old and new ones.
Label = Literal["good", "bad", "skipped", "unfinished"]
_LABELS: dict[str, Label] = {label: label for label in get_args(Label)}
_COLUMNS = ("file", "label", "kind", "by", "utc")
UNNAMED = "bad"  # the kind of a bad part of which nothing more is known
_REASONS = {
    "skipped": f"was skipped by the person who labelled it ({LABELLED})",
    "unfinished": "has a label that was not saved completely; label it again",
}
_NOT_YET = f"is not labelled yet ({LABELLED})"


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One line of the table. kind: of a bad part without a mask. by: the person. utc: RFC 3339."""

    file: str
    label: Label
    kind: str = ""
    by: str = ""
    utc: str = ""


def read_label_table(root: Path) -> dict[str, LabelRow] | None:
    """Return the lines by file, paths in Unicode form NFC; None where the folder has no table.

    Blocks on the disk. Raises FrameError, one line that names the file and the line.
    """
    path = root / LABELLED
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise FrameError(
            f"{path}: cannot be read; expected UTF-8 lines {','.join(_COLUMNS)}"
        ) from error
    rows: dict[str, LabelRow] = {}
    try:
        for number, fields in enumerate(csv.reader(io.StringIO(text, newline="")), start=1):
            if not any(fields) or tuple(fields) == _COLUMNS:
                continue
            row = _row(fields)
            if row is None:
                raise FrameError(
                    f"{path}: line {number}: expected {','.join(_COLUMNS)}, the label one of "
                    f"{', '.join(_LABELS)}"
                )
            if row.file in rows:
                raise FrameError(f"{path}: line {number}: {row.file} is listed twice")
            rows[row.file] = row
    except csv.Error as error:
        raise FrameError(f"{path}: is no table of comma-separated values: {error}") from error
    return rows


def label_table_text(rows: Iterable[LabelRow]) -> str:
    """Return the table as text, the lines in the order of their files."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in sorted(rows, key=lambda row: row.file):
        writer.writerow((row.file, row.label, row.kind, row.by, row.utc))
    return text.getvalue()


def apply_label_table(folder: DataFolder, rows: Mapping[str, LabelRow]) -> DataFolder:
    """Return the folder with its pictures as the table labels them.

    A picture without a line keeps what its masks and its folder state. Without either it is not
    known to be good, and is not read. Reads the masks of pictures with the label good.
    """
    read: list[FolderEntry] = []
    unread: list[Unread] = []
    complaints: list[str] = []
    for entry in folder.entries:
        file = plain(entry.path.relative_to(folder.root).as_posix())
        row = rows.get(file)
        if row is None and (entry.masks or entry.kind is not None):
            read.append(entry)
        elif row is None:
            unread.append(Unread(entry.path, _NOT_YET))
        elif row.label == "good":
            complaints += [
                f"{mask.path}: is a mask of {file}, which {LABELLED} labels good; expected no mask "
                "of a good part, or the label bad"
                for mask in entry.masks
                if may_be_drawn(mask.path)
            ]
            read.append(replace(entry, kind=""))
        elif row.label == "bad":
            kind = entry.kind if entry.kind and not row.kind else row.kind
            read.append(replace(entry, kind=kind or UNNAMED))
        else:
            unread.append(Unread(entry.path, _REASONS[row.label]))
    return replace(
        folder,
        entries=tuple(read),
        unread=(*folder.unread, *unread),
        complaints=(*folder.complaints, *complaints),
        unlabelled=tuple(each.path for each in unread),
    )


def _row(fields: list[str]) -> LabelRow | None:
    """Return the line of these fields; None where it is not one."""
    if len(fields) != len(_COLUMNS) or not fields[0] or fields[1] not in _LABELS:
        return None
    file, label, kind, by, utc = fields
    return LabelRow(plain(file), _LABELS[label], kind, by, utc)
