"""The opening of a folder that is labelled: its layout, or a data folder for the labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from edge.data_folder import DataFolder, FolderEntry, MaskFile, count, find_pictures, read_folder
from edge.data_folder.label_table import read_label_table
from edge.data_folder.labelled_layout import LABELS
from edge.data_folder.names import IMAGES, MASKS, plain
from edge.data_folder.user_layout import GENERIC, SORTED, is_good_folder
from edge.errors import FrameError, UsageError
from edge.labelling.folder import LabelFolder, LabelPicture
from edge.labelling.other_labels import read_other_labels
from edge.quarantine import QuarantineEntry, read_index
from edge.quarantine.drawn import drawn_masks
from edge.quarantine.index import INDEX

_FLAT = "its mask lies directly in masks/, where colours are kinds; the page edits masks/KIND/ only"
_NO_PNG = "its mask is no PNG; the page edits PNG masks only"
_COMPLAINTS = 3  # lines that are printed; the rest are counted


def open_folder(folder: Path, out: Path | None, *, others: bool = True) -> LabelFolder:
    """Return the folder to label. Nothing is written. Blocks on the disk.

    Args:
        folder: A data folder, the folder of marked parts, or any folder of pictures.
        out: The data folder that gets the labels and copies of labelled pictures; None: ``folder``
            itself, which is then in the layout with images/ or good/, or has marked parts.
        others: Read label files of another tool too.

    Raises:
        UsageError: The folders cannot be used so.
        OutfeedError: A folder or its index cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: is not a folder; expected a folder of pictures")
    if out is not None:
        return _copied(folder, out, others=others)
    if (folder / INDEX).exists():
        return _marked(folder)
    content = read_folder(folder, labelled=False)
    if content.layout == LABELS:
        raise UsageError(
            f"{folder}: has labels of {content.form or 'another tool'}, which stay as they are; "
            "expected --out DATA, a new folder that gets these labels, the new ones and copies of "
            "the pictures"
        )
    if content.layout not in (GENERIC, SORTED) or is_good_folder(folder):
        raise UsageError(
            f"{folder}: has neither images/ nor good/, so labels have no place there; expected "
            "--out DATA, a new folder that gets the labels and copies of the labelled pictures"
        )
    return _in_place(content)


def _in_place(content: DataFolder) -> LabelFolder:
    root = content.root
    pictures = tuple(_entry(entry, root) for entry in content.entries)
    if not pictures:
        raise UsageError(f"{root}: holds no picture to label")
    return LabelFolder(
        root,
        root,
        _distinct(pictures),
        root / _mask_folder(root),
        copies=False,
        assumed=_assumed(content),
        kinds=_kinds(content.entries),
        notes=_notes(content),
    )


def _copied(folder: Path, out: Path, *, others: bool) -> LabelFolder:
    """Return the pictures of any folder, and their labels in the data folder ``out``."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: is not a folder")
    if out.resolve() == folder.resolve():
        raise UsageError(f"--out {out}: is the folder of the pictures; expected another one")
    known: dict[str, FolderEntry] = {}
    content = None
    if out.is_dir() and any(path for path in out.iterdir() if not path.name.startswith(".")):
        content = read_folder(out, labelled=False)
        if content.layout != GENERIC:
            raise UsageError(f"--out {out}: expected an empty folder, or one with images/")
        known = {plain(each.path.relative_to(out).as_posix()): each for each in content.entries}
    drawn = read_other_labels(folder) if others else None
    if drawn is not None and folder.resolve() in out.resolve().parents:
        raise UsageError(
            f"--out {out}: lies in {folder}, whose label files name every picture below it; "
            "expected another place"
        )
    pictures = []
    for source, name, marked in _sources(folder, out):
        file = plain(f"{IMAGES}/{name}")
        there = known.get(file)
        picture = LabelPicture(name, source, file, PurePosixPath(plain(name)))
        if there is not None:
            picture = replace(
                picture,
                masks=there.masks,
                by_folder=there.kind,
                refused=_fixed(there.masks),
            )
        if marked is not None:
            picture = replace(picture, remark=_remark(marked))
        if drawn is not None:
            picture = replace(picture, remark=drawn.remarks.get(source, ""))
        pictures.append(picture)
    if not pictures:
        raise UsageError(f"{folder}: holds no picture to label")
    return LabelFolder(
        folder,
        out,
        _distinct(pictures),
        out / _mask_folder(out),
        copies=True,
        assumed=() if content is None else _assumed(content),
        kinds=tuple(
            sorted(
                {
                    *(() if content is None else _kinds(content.entries)),
                    *(() if drawn is None else drawn.kinds),
                }
            )
        ),
        notes=() if content is None else _notes(content),
        others=drawn,
    )


def _sources(folder: Path, out: Path) -> Iterable[tuple[Path, str, QuarantineEntry | None]]:
    """Yield each picture with its name and, of marked parts, its entry."""
    if (folder / INDEX).exists():
        for entry in read_index(folder).entries:
            if entry.picture is not None:
                yield folder / entry.file, f"{entry.id}.png", entry
        return
    for path in find_pictures(folder).pictures:
        if out.resolve() not in path.resolve().parents:
            yield path, path.relative_to(folder).as_posix().removeprefix(f"{IMAGES}/"), None


def _marked(folder: Path) -> LabelFolder:
    """Return the marked parts of a station, with the masks in the same folder."""
    entries = [entry for entry in read_index(folder).entries if entry.picture is not None]
    if not entries:
        raise UsageError(f"{folder}: has no marked part with a picture")
    try:
        masks = drawn_masks(folder)
    except OSError as error:
        raise FrameError(f"{folder / MASKS}: cannot be read: {error.strerror}") from error
    pictures = tuple(
        LabelPicture(
            f"{entry.id}.png",
            folder / entry.file,
            entry.file,
            PurePosixPath(f"{entry.id}.png"),
            masks.get(entry.id, ()),
            remark=_remark(entry),
            marked=entry,
        )
        for entry in entries
    )
    kinds = sorted({mask.kind for each in masks.values() for mask in each})
    return LabelFolder(folder, folder, pictures, folder / MASKS, copies=False, kinds=tuple(kinds))


def _remark(entry: QuarantineEntry) -> str:
    """Return what is known of a marked part, in one line."""
    claim = entry.released or entry.claim
    judged = "" if entry.judged is None else f", the station decided {entry.judged.decision}"
    notes = "".join(f"; note: {mark.note}" for mark in entry.marks if mark.note)
    return (
        f"part {entry.part_id} of {entry.station}: marked {claim or 'in several ways'}"
        f"{judged}{notes}"
    )


def _entry(entry: FolderEntry, root: Path) -> LabelPicture:
    file = plain(entry.path.relative_to(root).as_posix())
    parts = len(PurePosixPath(entry.folder).parts)
    inner = PurePosixPath(entry.folder, plain(entry.path.name))
    name = file.partition("/")[2] if entry.path.parents[parts] != root else file
    return LabelPicture(
        name, entry.path, file, inner, entry.masks, entry.kind, refused=_fixed(entry.masks)
    )


def _fixed(masks: Iterable[MaskFile]) -> str:
    """Return why the masks of a picture cannot be edited, or ''."""
    if any(not mask.kind for mask in masks):
        return _FLAT
    return _NO_PNG if any(mask.path.suffix.lower() != ".png" for mask in masks) else ""


def _distinct(pictures: Iterable[LabelPicture]) -> tuple[LabelPicture, ...]:
    """Return the pictures by name. Of a.png and a.jpg the second cannot have masks of its own."""
    first: dict[PurePosixPath, str] = {}
    found = []
    for picture in sorted(pictures, key=lambda each: each.name):
        other = first.setdefault(picture.inner.with_suffix(""), picture.name)
        if other != picture.name:
            refused = f"has the name of {other} but for the suffix; rename one of the two"
            picture = replace(picture, refused=refused)
        found.append(picture)
    return tuple(found)


def _mask_folder(root: Path) -> str:
    """Return the name of the folder masks/ as it is spelt on the disk."""
    if not root.is_dir() or (root / MASKS).is_dir():
        return MASKS
    tops = sorted(path.name for path in root.iterdir() if path.is_dir())
    return next((top for top in tops if top.lower() == MASKS), MASKS)


def _assumed(content: DataFolder) -> tuple[str, ...]:
    """Return the files that training takes as good parts because they have no mask.

    None once the folder has a table of labels.
    """
    if read_label_table(content.root) is not None:
        return ()
    return tuple(
        plain(entry.path.relative_to(content.root).as_posix())
        for entry in content.entries
        if not entry.masks and entry.kind is None
    )


def _kinds(entries: Iterable[FolderEntry]) -> tuple[str, ...]:
    named = {mask.kind for entry in entries for mask in entry.masks if mask.kind}
    return tuple(sorted(named | {entry.kind for entry in entries if entry.kind}))


def _notes(content: DataFolder) -> tuple[str, ...]:
    """Return the first complaints about the folder, at which make train would stop."""
    lines = content.complaints
    if not lines:
        return ()
    more = len(lines) - _COMPLAINTS
    rest = (f"and {count(more, 'more reason')}",) if more > 0 else ()
    return ("make train would stop at this folder:", *lines[:_COMPLAINTS], *rest)
