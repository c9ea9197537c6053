"""Reasons to stop training and the demo in a user's folder: one line for each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from edge.data_folder.contents import FolderEntry, MaskFile, count, some_names
from edge.data_folder.labels import TABLE, is_note, label_files
from edge.data_folder.masks import are_masks
from edge.data_folder.names import (
    GOOD_FOLDERS,
    IMAGES,
    MASKS,
    TABLES,
    first_word,
    is_neutral,
    is_picture,
    is_split,
    names_bad,
    names_labels,
)
from edge.data_folder.scan import Files
from edge.data_folder.sidecar_masks import masks_beside

_GROUPED = 0.9  # of the pictures: from there on, the first words of names are taken for groups
_SORT = "expected the pictures sorted into images/good/ and images/KIND/ (images/bad/)"
_DRAW = "expected masks as masks/KIND/NAME.png, white on the defect"


def folders_named(tops: Sequence[str], names: tuple[str, ...]) -> list[str]:
    """Folders of one of the names in any case; the name itself comes first."""
    return sorted({top for top in tops if top.lower() in names}, key=lambda top: top not in names)


def doubled_folders(root: Path, tops: Sequence[str]) -> list[str]:
    """Folders that differ in capitals only: which of them was meant is not to be guessed."""
    lines = []
    for name in (IMAGES, MASKS):
        some = folders_named(tops, (name,))
        if len(some) > 1:
            lines.append(f"{root}: holds {' and '.join(f'{s}/' for s in some)}; expected {name}/")
    return lines


def good_beside(root: Path, rest: Sequence[Path]) -> list[str]:
    """good/ or bad/ beside images/: two layouts, one of which would not be read."""
    lines = []
    for top in sorted({path.relative_to(root).parts[0] for path in rest if path.parent != root}):
        some = [p for p in rest if root / top in p.parents and is_picture(p)]
        bad = names_bad(top) and not names_labels(top) and not are_masks(some)
        if some and (top.lower() in GOOD_FOLDERS or bad):
            lines.append(
                f"{root / top}: {count(len(some), 'picture')} would not be read, because there is "
                f"images/ too; expected images/{top}/, or the other pictures in folders beside "
                f"{top}/ and no images/"
            )
    return lines


def masks_among(pictures: Sequence[Path], root: Path) -> list[str]:
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
        mask_folder(folder, some)
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


def labels_outside(root: Path, files: Sequence[Path], pictures: Sequence[Path]) -> list[str]:
    """Files that are no pictures and hold labels, by their folder's name or their content."""
    lines = []
    named: dict[Path, list[Path]] = defaultdict(list)
    for path in files:
        parts = path.parent.relative_to(root).parts
        labelled = next((n for n, part in enumerate(parts, 1) if names_labels(part)), None)
        if labelled and not is_note(path):
            named[root.joinpath(*parts[:labelled])].append(path)
    for folder, some in sorted(named.items()):
        lines.append(mask_folder(folder, some))
    known = {path for some in named.values() for path in some}
    others = [path for path in files if path not in known]
    return lines + unread_labels(others, pictures)


def unread_labels(files: Sequence[Path], pictures: Sequence[Path]) -> list[str]:
    """Return lines for files that hold labels by their content, which nothing reads."""
    lines = []
    for (folder, form), some in sorted(label_files(files, pictures).items()):
        place = some[0] if len(some) == 1 else folder
        files_ = "" if len(some) == 1 else f"{len(some)} files ({some_names(some)}) "
        looks = "looks" if len(some) == 1 else "look"
        remedy = _SORT if form == TABLE else _DRAW
        lines.append(
            f"{place}: {files_}{looks} like {form} and would not be read, so that every picture "
            f"would be a good part; {remedy}, or move what is no label out of the folder"
        )
    return lines


def look_like_masks(root: Path, rest: Sequence[Path]) -> list[str]:
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
            lines.append(mask_folder(folder, some))
    return lines


def mask_folder(folder: Path, some: Sequence[Path]) -> str:
    """The line for a folder whose files are masks or labels that nothing reads."""
    look = "looks" if len(some) == 1 else "look"
    return (
        f"{folder}: {count(len(some), 'file')} ({some_names(some)}) {look} like masks or labels "
        f"and would not be read as such; {_DRAW}, or move what is none out of the folder"
    )


def odd_kinds(root: Path, entries: Sequence[FolderEntry], found: Files) -> list[str]:
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
        f"{path}: is not read; expected {root / path.name.lower()}"
        for path in found.files
        if path.name.lower() in TABLES and path != root / path.name.lower()
    ]
    return lines


def named_bad(entries: Sequence[FolderEntry], image_root: Path) -> list[str]:
    """Return lines for pictures that would be good parts although their names are of bad parts."""
    bad = [entry.path for entry in entries if names_bad(entry.path.stem)]
    if not bad:
        return _named_in_groups(entries, image_root)
    return [
        f"{image_root}: {count(len(bad), 'picture')} without a mask ({some_names(bad)}) would be "
        "good parts, and their names say that they are bad; expected them in images/bad/ and the "
        "good parts in images/good/, or masks of them"
    ]


def _named_in_groups(entries: Sequence[FolderEntry], image_root: Path) -> list[str]:
    """Return a line for pictures that are named in groups, such as crazing_1 and scratches_1."""
    words = Counter(first_word(entry.path.stem) for entry in entries)
    groups = sorted(word for word, number in words.items() if word and number > 1)
    if len(groups) < 2 or sum(words[word] for word in groups) < _GROUPED * len(entries):
        return []
    return [
        f"{image_root}: pictures without a mask would be good parts, and are named in groups "
        f"({', '.join(groups[:4])}{', …' if len(groups) > 4 else ''}); if these are kinds of "
        "defect, put them into images/KIND/ and the good parts into images/good/; if all are good "
        "parts, put all into images/good/"
    ]


def unread_masks(others: Sequence[Path], root: Path) -> list[str]:
    """Return lines for files in masks/ that are not pictures: their parts would be good ones."""
    some = [path for path in others if not is_note(path) and path.name not in TABLES]
    return [
        f"{path}: is a mask that cannot be read; expected a PNG" for path in some if path != root
    ]


def undrawn_folders(
    image_root: Path, undrawn: dict[str, list[Path]], masks: dict[Path, tuple[MaskFile, ...]]
) -> list[str]:
    """Return lines for sub-folders that may be kinds of defects, without any mask."""
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
