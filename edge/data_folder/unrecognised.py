"""Advice on the names to change in a folder that is in no known layout."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from shlex import quote

from edge.data_folder.contents import DataFolder, count, some_names
from edge.data_folder.labels import label_files
from edge.data_folder.names import GOOD_FOLDERS, IMAGES, MASKS, is_neutral, is_picture, names_labels
from edge.data_folder.sidecar_masks import masks_beside

_LAYOUTS = (
    "expected images/ with masks/KIND/ of the same names, or good/ with a folder for each kind of "
    "defect (bad/); README.md names the published sets that are read too"
)
_GOOD_WORDS = """
    pass passed fine normal io gut sound perfect defectfree accept accepted conforming nondefective
    goods okay nodefect goodparts okparts bien bon buono
"""
_IMAGE_WORDS = "image img imgs pictures photos frames jpegimages input raw"
_SHOWN = 4  # folders that the line names


def unrecognised(record: DataFolder) -> str:
    """One line: which pictures lie where, and what to rename so that the folder is read."""
    root = record.root
    folders: dict[Path, list[Path]] = defaultdict(list)
    for each in record.unread:
        if is_picture(each.path) and not each.path.name.startswith("."):
            folders[each.path.parent].append(each.path)
    if not folders:
        other = f", but {count(len(record.unread), 'other file')}" if record.unread else ""
        return f"{root}: holds no picture{other}; {_LAYOUTS}"
    largest = sorted(folders, key=lambda folder: (-len(folders[folder]), folder))
    places = ", ".join(
        f"{count(len(folders[folder]), 'picture')} {_place(folder, root)}"
        for folder in largest[:_SHOWN]
    )
    more = f" and {len(largest) - _SHOWN} folders more" if len(largest) > _SHOWN else ""
    labels = label_files([each.path for each in record.unread if not is_picture(each.path)], ())
    if labels:
        (_, form), paths = min(labels.items())
        more += f", and {paths[0].relative_to(root).as_posix()} with {form}, which is not read"
    line = f"{root}: holds {places}{more}, in no layout that is recognised"
    return f"{line}; {_advice(root, folders)}; {_LAYOUTS}"


def _advice(root: Path, folders: dict[Path, list[Path]]) -> str:
    """Return the advice for the ways in which folders are most often laid out."""
    if root.name.lower() == IMAGES:
        return f"{root.parent} can be read: give that folder"
    for folder in sorted(folders):
        parts = folder.relative_to(root).parts
        for number, part in enumerate(parts[1:], 1):
            if part.lower() in (IMAGES, *GOOD_FOLDERS):
                return f"{root.joinpath(*parts[:number])} can be read: give that folder"
    for folder in sorted(folders):
        plain = "".join(filter(str.isalpha, folder.name.lower()))
        if folder != root and plain in _GOOD_WORDS.split():
            move = f"mv {quote(str(folder))} {quote(f'{root}/good')}"
            return f"if {folder.name}/ holds the good parts: {move}"
    beside = masks_beside([path for some in folders.values() for path in some])
    if beside:
        return (
            f"{len(beside)} of them ({some_names(beside)}) look like masks of the pictures beside "
            f"them: move the pictures into {root}/images/ and the masks into {root}/masks/KIND/"
        )
    if set(folders) == {root}:
        some = some_names(folders[root])
        return (
            f"if these ({some}) are all good parts, move them into {root}/good/; if masks of them "
            f"are drawn, move them into {root}/images/ and the masks into {root}/masks/KIND/"
        )
    masks = sorted({place for folder in folders if (place := _mask_place(folder, root))})
    pictures = [folder for folder in sorted(folders) if not _mask_place(folder, root)]
    if masks and len(pictures) == 1:
        moved = f"mv {quote(str(masks[0]))} {quote(f'{root}/{MASKS}')}"
        move = "" if masks[0] == root / MASKS else f" and {moved}"
        if pictures == [root]:
            put = f"move the pictures into {root}/{IMAGES}/"
        else:
            put = f"mv {quote(str(pictures[0]))} {quote(f'{root}/{IMAGES}')}"
        return f"if {masks[0].name}/ holds masks of them: {put}{move}"
    for folder in pictures:
        if folder.name.lower() in _IMAGE_WORDS.split():
            return f"rename it: mv {quote(str(folder))} {quote(f'{root}/images')}"
    kinds = [folder.name for folder in pictures if folder != root and not is_neutral(folder.name)]
    if kinds:
        return f"if one of {', '.join(kinds[:_SHOWN])} holds the good parts, call it good/"
    return "no folder is called images/, good/ or ok/"


def _mask_place(folder: Path, root: Path) -> Path | None:
    """The folder named as masks or labels are that this one is, or lies in."""
    parts = folder.relative_to(root).parts
    found = next((n for n, part in enumerate(parts, 1) if names_labels(part)), None)
    return None if found is None else root.joinpath(*parts[:found])


def _place(folder: Path, root: Path) -> str:
    return "right in it" if folder == root else f"in {folder.relative_to(root).as_posix()}/"
