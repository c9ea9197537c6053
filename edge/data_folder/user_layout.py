"""Folders as users keep them: images/ with masks/ (generic), or sorted into good/ and others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edge.data_folder.contents import DataFolder, FolderEntry, MaskFile
from edge.data_folder.label_table import LabelRow, apply_label_table, read_label_table
from edge.data_folder.masks import are_masks, may_be_drawn
from edge.data_folder.names import (
    GOOD_FOLDERS,
    IMAGES,
    MASKS,
    TABLES,
    is_good,
    is_other_picture,
    is_picture,
    is_video,
    names_labels,
    picture_form,
    plain,
    telling,
)
from edge.data_folder.pairing import folder_of, pair
from edge.data_folder.refusals import (
    doubled_folders,
    folders_named,
    good_beside,
    labels_outside,
    look_like_masks,
    mask_folder,
    masks_among,
    named_bad,
    odd_kinds,
    undrawn_folders,
    unread_masks,
)
from edge.data_folder.scan import Files, Unread
from edge.data_folder.sidecar_masks import masks_beside
from edge.errors import FrameError

GENERIC, SORTED = "generic", "sorted"


def read_own(
    root: Path, found: Files, layout: str | None = None, *, labelled: bool = True
) -> DataFolder | None:
    """The folder as one of the two layouts, or as the one that is named; None where it has neither
    images/ nor good/. labelled: with the labels of labelled.csv."""
    tops = sorted({path.relative_to(root).parts[0] for path in found.files if path.parent != root})
    tops += [p.name for p in root.iterdir() if p.is_dir() and p.name.lower() in (IMAGES, MASKS)]
    images = folders_named(tops, (IMAGES,))
    try:
        rows, fault = read_label_table(root), ""
    except FrameError as error:
        rows, fault = {}, str(error)
    folder = _laid_out(root, images, tops, found, layout, rows)
    if folder is None or rows is None or not labelled:
        return folder
    folder = apply_label_table(folder, rows)
    return replace(folder, complaints=(fault, *folder.complaints)) if fault else folder


def _laid_out(
    root: Path,
    images: Sequence[str],
    tops: Sequence[str],
    found: Files,
    layout: str | None,
    rows: Mapping[str, LabelRow] | None,
) -> DataFolder | None:
    """Return the folder as its names and masks state it. rows: of labelled.csv, None without."""
    if images and layout != SORTED:
        return _generic(root, root / images[0], tops, found, rows)
    if folders_named(tops, GOOD_FOLDERS) or any(
        p.is_dir() and p.name.lower() in GOOD_FOLDERS for p in root.iterdir()
    ):
        return _sorted(root, tops, found, rows)
    return _good_alone(root, found) if is_good_folder(root) else None


def is_good_folder(root: Path) -> bool:
    """Return true for a folder good/ or ok/ that holds pictures and no folder."""
    if root.resolve().name.lower() not in GOOD_FOLDERS:
        return False
    entries = list(root.iterdir())
    return any(map(is_picture, entries)) and not any(entry.is_dir() for entry in entries)


def _good_alone(root: Path, found: Files) -> DataFolder:
    """Return the pictures of a folder that is named good/ itself: all are good parts."""
    pictures, others = _pictures(found.files)
    complaints = labels_outside(root, others, pictures)
    entries = tuple(FolderEntry(path, "", (), "") for path in pictures)
    unread = (*found.unread, *unread_of(root, others))
    return DataFolder(root, SORTED, entries, (), unread, tuple(complaints))


def _generic(
    root: Path,
    image_root: Path,
    tops: Sequence[str],
    found: Files,
    rows: Mapping[str, LabelRow] | None,
) -> DataFolder:
    mask_root = root / next(iter(folders_named(tops, (MASKS,))), MASKS)
    inside = [path for path in found.files if image_root in path.parents]
    drawn = [path for path in found.files if mask_root in path.parents]
    known = {*inside, *drawn}
    rest = [path for path in found.files if path not in known]
    pictures, others = _pictures(inside)
    masks, no_masks = _pictures(drawn)
    complaints = list(doubled_folders(root, tops))
    complaints += good_beside(root, rest)
    complaints += masks_among(pictures, image_root)
    not_pictures = [path for path in rest if not is_picture(path)]
    complaints += labels_outside(root, [*others, *not_pictures], pictures)
    complaints += look_like_masks(root, [path for path in rest if is_picture(path)])
    complaints += unread_masks(no_masks, root)
    beside = masks_beside(pictures)
    pairs = pair([p for p in pictures if p not in beside], image_root, masks, mask_root)
    complaints += pairs.complaints
    by_kind = any(is_good(folder_of(path, image_root)) for path in pictures)
    entries, undrawn = [], defaultdict[str, list[Path]](list)
    for path in pictures:
        folder = folder_of(path, image_root)
        own = pairs.masks.get(path, ())
        kind = telling(tuple(folder.split("/"))) or folder if folder else ""
        by_folder: str | None = None
        if by_kind:
            by_folder = "" if not folder or is_good(folder) else kind
        elif folder and (mask_root / folder).is_dir() and telling(tuple(folder.split("/"))):
            by_folder = kind
        elif folder and telling(tuple(folder.split("/"))):
            undrawn[folder].append(path)
        if by_folder is None and any(each.kind.lower() in GOOD_FOLDERS for each in own):
            by_folder = ""  # by masks/good/
        entries.append(FolderEntry(path, folder, own, by_folder))
    if rows is None:  # with a table no picture is a good part for want of a mask
        complaints += undrawn_folders(image_root, undrawn, pairs.masks)
    if not masks and rows is None:
        complaints += named_bad([entry for entry in entries if entry.kind is None], image_root)
    complaints += odd_kinds(root, entries, found)
    unread = (*found.unread, *unread_of(root, [*others, *no_masks, *rest]))
    return DataFolder(
        root, GENERIC, tuple(entries), tuple(masks), unread, tuple(dict.fromkeys(complaints))
    )


def _sorted(
    root: Path, tops: Sequence[str], found: Files, rows: Mapping[str, LabelRow] | None
) -> DataFolder:
    mask_root = root / next(iter(folders_named(tops, (MASKS,))), MASKS)
    drawn = [path for path in found.files if mask_root in path.parents]
    inside = [path for path in found.files if path.parent != root and mask_root not in path.parents]
    loose = [path for path in found.files if path.parent == root]
    masks, no_masks = _pictures(drawn)
    pictures, others = _pictures(inside)
    complaints = list(doubled_folders(root, tops))
    complaints += masks_among(pictures, root)
    complaints += labels_outside(
        root, [*others, *(p for p in loose if not is_picture(p))], pictures
    )
    complaints += look_like_masks(root, [path for path in loose if is_picture(path)])
    folders = defaultdict[str, list[Path]](list)
    for path in pictures:
        folders[path.relative_to(root).parts[0]].append(path)
    for top, some in folders.items():
        if top.lower() not in GOOD_FOLDERS and not names_labels(top) and are_masks(some):
            complaints.append(mask_folder(root / top, some))
    complaints += unread_masks(no_masks, root)
    flat = [path for path in masks if path.parent == mask_root]
    complaints += [f"{path}: lies in no folder; expected {MASKS}/KIND/{path.name}" for path in flat]
    beside = masks_beside(pictures)
    images = [path for path in pictures if path not in beside]
    pairs = pair(images, root, [path for path in masks if path not in flat], mask_root)
    complaints += pairs.complaints
    entries = []
    for path in pictures:
        top = plain(path.relative_to(root).parts[0])
        good, own = top.lower() in GOOD_FOLDERS, pairs.masks.get(path, ())
        row = (rows or {}).get(plain(path.relative_to(root).as_posix()))
        if good and (row is None or row.label != "bad"):
            complaints += [
                f"{mask.path}: is a mask of {path.relative_to(root).as_posix()}, a good part; "
                "expected an image in the folder of a kind"
                for mask in own
                if may_be_drawn(mask.path)
            ]
        kinds = tuple(MaskFile(each.path, each.kind.partition("/")[0] or top) for each in own)
        folder = folder_of(path, root)
        entries.append(FolderEntry(path, folder, kinds, "" if good else top))
    complaints += odd_kinds(root, entries, found)
    if root.name.lower() == IMAGES and (root.parent / MASKS).is_dir():
        complaints.append(f"{root}: {MASKS}/ lies beside it; give the folder above: {root.parent}")
    unread = (*found.unread, *unread_of(root, [*others, *no_masks, *loose]))
    return DataFolder(
        root, SORTED, tuple(entries), tuple(masks), unread, tuple(dict.fromkeys(complaints))
    )


def _pictures(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Pictures that are decoded, and the rest."""
    return [p for p in paths if is_picture(p)], [p for p in paths if not is_picture(p)]


def unread_of(root: Path, rest: Sequence[Path]) -> list[Unread]:
    """Why each of these files is not read; the tables of the layouts are."""
    found = []
    for path in rest:
        if path.parent == root and path.name in TABLES:
            continue
        if is_other_picture(path):
            reason = f"is a picture in a form that is not read ({path.suffix.lower()}); save as PNG"
        elif is_video(path):
            reason = "is a video; outfeed inspect reads it, training does not"
        elif is_picture(path):
            reason = "is a picture outside the folders that are read"
        elif form := picture_form(path):
            reason = f"is a picture by its content and not by its name; expected the suffix {form}"
        else:
            reason = "is no picture"
        found.append(Unread(path, reason))
    return found
