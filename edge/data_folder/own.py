"""Folders as users keep them: images/ with masks/ (generic), or sorted into good/ and others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from edge.data_folder.beside import masks_beside
from edge.data_folder.labels import TABLE, is_note, label_files
from edge.data_folder.masks import are_masks
from edge.data_folder.names import (
    GOOD_FOLDERS,
    IMAGES,
    MASKS,
    TABLES,
    is_good,
    is_neutral,
    is_other_picture,
    is_picture,
    is_split,
    is_video,
    names_bad,
    names_labels,
    picture_form,
    plain,
    telling,
)
from edge.data_folder.pairing import folder_of, pair
from edge.data_folder.record import DataFolder, Entry, MaskFile, count, some_names
from edge.data_folder.walk import Files, Unread

GENERIC, SORTED = "generic", "sorted"
_SORT = "expected the pictures sorted into images/good/ and images/KIND/ (images/bad/)"
_DRAW = "expected masks as masks/KIND/NAME.png, white on the defect"


def read_own(root: Path, found: Files, layout: str | None = None) -> DataFolder | None:
    """The folder as one of the two layouts, or as the one that is named; None where it has neither
    images/ nor good/."""
    tops = sorted({path.relative_to(root).parts[0] for path in found.files if path.parent != root})
    tops += [p.name for p in root.iterdir() if p.is_dir() and p.name.lower() in (IMAGES, MASKS)]
    images = _named(tops, (IMAGES,))
    if images and layout != SORTED:
        return _generic(root, root / images[0], tops, found)
    if _named(tops, GOOD_FOLDERS) or any(
        p.is_dir() and p.name.lower() in GOOD_FOLDERS for p in root.iterdir()
    ):
        return _sorted(root, tops, found)
    return None


def _named(tops: Sequence[str], names: tuple[str, ...]) -> list[str]:
    """Folders of one of the names in any case; the name itself comes first."""
    return sorted({top for top in tops if top.lower() in names}, key=lambda top: top not in names)


def _generic(root: Path, image_root: Path, tops: Sequence[str], found: Files) -> DataFolder:
    mask_root = root / next(iter(_named(tops, (MASKS,))), MASKS)
    inside = [path for path in found.files if image_root in path.parents]
    drawn = [path for path in found.files if mask_root in path.parents]
    known = {*inside, *drawn}
    rest = [path for path in found.files if path not in known]
    pictures, others = _pictures(inside)
    masks, no_masks = _pictures(drawn)
    complaints = list(_doubled(root, tops))
    complaints += _good_beside(root, rest)
    complaints += _among(pictures, image_root)
    complaints += _labels(root, [*others, *(p for p in rest if not is_picture(p))], pictures)
    complaints += _look_like_masks(root, [path for path in rest if is_picture(path)])
    complaints += _unread_masks(no_masks, root)
    beside = masks_beside(pictures)
    pairs = pair([p for p in pictures if p not in beside], image_root, masks, mask_root)
    complaints += pairs.complaints
    by_kind = any(is_good(folder_of(path, image_root)) for path in pictures)
    entries, undrawn = [], defaultdict[str, list[Path]](list)
    for path in pictures:
        folder = folder_of(path, image_root)
        own = pairs.masks.get(path, ())
        kind = telling(tuple(folder.split("/"))) or folder if folder else ""
        said: str | None = None
        if by_kind:
            said = "" if not folder or is_good(folder) else kind
        elif folder and (mask_root / folder).is_dir() and telling(tuple(folder.split("/"))):
            said = kind
        elif folder and telling(tuple(folder.split("/"))):
            undrawn[folder].append(path)
        if said is None and any(each.kind.lower() in GOOD_FOLDERS for each in own):
            said = ""  # masks/good/ says so
        entries.append(Entry(path, folder, own, said))
    complaints += _undrawn_folders(image_root, undrawn, pairs.masks)
    complaints += _named_bad([e for e in entries if not e.masks and e.kind is None], image_root)
    complaints += _of_all(root, entries, found)
    unread = (*found.unread, *unread_of(root, [*others, *no_masks, *rest]))
    return DataFolder(
        root, GENERIC, tuple(entries), tuple(masks), unread, tuple(dict.fromkeys(complaints))
    )


def _sorted(root: Path, tops: Sequence[str], found: Files) -> DataFolder:
    mask_root = root / next(iter(_named(tops, (MASKS,))), MASKS)
    drawn = [path for path in found.files if mask_root in path.parents]
    inside = [path for path in found.files if path.parent != root and mask_root not in path.parents]
    loose = [path for path in found.files if path.parent == root]
    masks, no_masks = _pictures(drawn)
    pictures, others = _pictures(inside)
    complaints = list(_doubled(root, tops))
    complaints += _among(pictures, root)
    complaints += _labels(root, [*others, *(p for p in loose if not is_picture(p))], pictures)
    complaints += _look_like_masks(root, [path for path in loose if is_picture(path)])
    folders = defaultdict[str, list[Path]](list)
    for path in pictures:
        folders[path.relative_to(root).parts[0]].append(path)
    for top, some in folders.items():
        if top.lower() not in GOOD_FOLDERS and not names_labels(top) and are_masks(some):
            complaints.append(_mask_folder(root / top, some))
    complaints += _unread_masks(no_masks, root)
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
        if good:
            complaints += [
                f"{mask.path}: is a mask of {path.relative_to(root).as_posix()}, a good part; "
                "expected an image in the folder of a kind"
                for mask in own
            ]
        kinds = tuple(MaskFile(each.path, each.kind.partition("/")[0] or top) for each in own)
        folder = folder_of(path, root)
        entries.append(Entry(path, folder, kinds, "" if good else top))
    complaints += _of_all(root, entries, found)
    if root.name.lower() == IMAGES and (root.parent / MASKS).is_dir():
        complaints.append(f"{root}: {MASKS}/ lies beside it; give the folder above: {root.parent}")
    unread = (*found.unread, *unread_of(root, [*others, *no_masks, *loose]))
    return DataFolder(
        root, SORTED, tuple(entries), tuple(masks), unread, tuple(dict.fromkeys(complaints))
    )


def _pictures(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Pictures that are decoded, and the rest."""
    return [p for p in paths if is_picture(p)], [p for p in paths if not is_picture(p)]


def _doubled(root: Path, tops: Sequence[str]) -> list[str]:
    """Folders that differ in capitals only: which of them was meant is not to be guessed."""
    lines = []
    for name in (IMAGES, MASKS):
        some = _named(tops, (name,))
        if len(some) > 1:
            lines.append(f"{root}: holds {' and '.join(f'{s}/' for s in some)}; expected {name}/")
    return lines


def _good_beside(root: Path, rest: Sequence[Path]) -> list[str]:
    """good/ beside images/: two layouts, one of which would not be read."""
    lines = []
    for top in sorted({path.relative_to(root).parts[0] for path in rest if path.parent != root}):
        some = [p for p in rest if root / top in p.parents and is_picture(p)]
        if some and top.lower() in GOOD_FOLDERS:
            lines.append(
                f"{root / top}: {count(len(some), 'picture')} would not be read, because there is "
                f"images/ too; expected images/{top}/, or the other pictures in folders beside "
                f"{top}/ and no images/"
            )
    return lines


def _among(pictures: Sequence[Path], root: Path) -> list[str]:
    """Masks among the pictures: beside the picture that they are of, or in a folder of theirs."""
    lines = []
    masks = masks_beside(pictures)
    beside: dict[Path, list[Path]] = defaultdict(list)
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in pictures:
        parts = path.parent.relative_to(root).parts
        labelled = [number for number, part in enumerate(parts, 1) if names_labels(part)]
        if labelled:
            folders[root.joinpath(*parts[: labelled[0]])].append(path)
        elif path in masks:
            beside[path.parent].append(path)
    lines += [
        _mask_folder(folder, some)
        for folder, some in sorted(folders.items())
        # Labels are what some lines make: a folder named so may hold their pictures.
        if not folder.name.lower().startswith("lab") or are_masks(some)
    ]
    for folder, some in sorted(beside.items()):
        one = len(some) == 1
        are = "looks like a mask of the picture" if one else "look like masks of the pictures"
        lines.append(
            f"{folder}: {count(len(some), 'picture')} ({some_names(some)}) {are} beside "
            f"{'it' if one else 'them'}; {_DRAW}"
        )
    return lines


def _labels(root: Path, files: Sequence[Path], pictures: Sequence[Path]) -> list[str]:
    lines = []
    named: dict[Path, list[Path]] = defaultdict(list)
    for path in files:
        parts = path.parent.relative_to(root).parts
        labelled = next((n for n, part in enumerate(parts, 1) if names_labels(part)), None)
        if labelled and not is_note(path):
            named[root.joinpath(*parts[:labelled])].append(path)
    for folder, some in sorted(named.items()):
        lines.append(_mask_folder(folder, some))
    known = {path for some in named.values() for path in some}
    others = [path for path in files if path not in known]
    for (folder, form), some in sorted(label_files(others, pictures).items()):
        place = some[0] if len(some) == 1 else folder
        files_ = "" if len(some) == 1 else f"{len(some)} files ({some_names(some)}) "
        looks = "looks" if len(some) == 1 else "look"
        remedy = _SORT if form == TABLE else _DRAW
        lines.append(
            f"{place}: {files_}{looks} like {form} and would not be read, so that every picture "
            f"would be a good part; {remedy}, or move what is no label out of the folder"
        )
    return lines


def _look_like_masks(root: Path, rest: Sequence[Path]) -> list[str]:
    """Pictures outside the folders that are read which are masks by their folder or looks."""
    lines = []
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in rest:
        parts = path.relative_to(root).parts
        folders[root / parts[0] if len(parts) > 1 else root].append(path)
    for folder, some in sorted(folders.items()):
        if folder.name.lower() in GOOD_FOLDERS:
            continue
        named = folder != root and any(
            names_labels(part) for path in some for part in path.parent.relative_to(root).parts
        )
        if named or are_masks(some):
            lines.append(_mask_folder(folder, some))
    return lines


def _mask_folder(folder: Path, some: Sequence[Path]) -> str:
    look = "looks" if len(some) == 1 else "look"
    return (
        f"{folder}: {count(len(some), 'file')} ({some_names(some)}) {look} like masks or labels "
        f"and would not be read as such; {_DRAW}, or move what is none out of the folder"
    )


def _of_all(root: Path, entries: Sequence[Entry], found: Files) -> list[str]:
    """Kinds that differ in capitals only, folders of a split among kinds, and misplaced tables."""
    lines = []
    kinds = {mask.kind for entry in entries for mask in entry.masks if mask.kind}
    kinds |= {entry.kind for entry in entries if entry.kind}
    spelt: dict[str, list[str]] = defaultdict(list)
    for kind in sorted(kinds):
        spelt[kind.lower()].append(kind)
        if is_split(kind):
            lines.append(
                f"{root}: {kind}/ would be a kind of defect beside good/; expected good/ and the "
                f"kinds inside {kind}/, or its pictures in good/ and the folders of their kinds"
            )
    lines += [
        f"{root}: the kinds {' and '.join(same)} differ in capitals only; expected one name"
        for same in spelt.values()
        if len(same) > 1
    ]
    lines += [
        f"{path}: is not read there; expected {root / path.name}"
        for path in found.files
        if path.name in TABLES and path.parent != root
    ]
    return lines


def _named_bad(entries: Sequence[Entry], image_root: Path) -> list[str]:
    """Pictures that would be good parts although their own names say that they are not."""
    bad = [entry.path for entry in entries if names_bad(entry.path.stem)]
    if not bad:
        return []
    return [
        f"{image_root}: {count(len(bad), 'picture')} without a mask ({some_names(bad)}) would be "
        "good parts, and their names say that they are bad; expected them in images/bad/ and the "
        "good parts in images/good/, or masks of them"
    ]


def _unread_masks(others: Sequence[Path], root: Path) -> list[str]:
    """Files in masks/ that are no pictures: their parts would be good ones."""
    some = [path for path in others if not is_note(path) and path.name not in TABLES]
    return [
        f"{path}: is a mask that cannot be read; expected a PNG" for path in some if path != root
    ]


def _undrawn_folders(
    image_root: Path, undrawn: dict[str, list[Path]], masks: dict[Path, tuple[MaskFile, ...]]
) -> list[str]:
    """Sub-folders that may be kinds of defect, where nothing says so and nothing is drawn."""
    lines = []
    for folder, some in sorted(undrawn.items()):
        if any(path in masks for path in some):
            continue
        name = next(part for part in folder.split("/") if not is_neutral(part))
        lines.append(
            f"{image_root / folder}: {count(len(some), 'picture')} without a mask would be good "
            f"parts; if {name} is a kind of defect, put the good parts into images/good/; if these "
            f"are good parts, put them into images/good/{name}/"
        )
    return lines


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
