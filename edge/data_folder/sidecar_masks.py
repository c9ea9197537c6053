"""Pictures that are masks of others, in folders without a layout."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from edge.data_folder.masks import are_masks, looks_like_mask
from edge.data_folder.names import mask_stems, names_labels, names_mask_of, plain


def masks_beside(pictures: Sequence[Path]) -> set[Path]:
    """Those that lie beside a picture whose mask they are: by their names, or by the same name with
    another suffix where one of the two looks like a mask."""
    stems: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path in pictures:
        stems[path.parent, plain(path.stem)].append(path)
    found = {
        path
        for path in pictures
        if any((path.parent, stem) in stems for stem in names_mask_of(path))
    }
    for same in stems.values():
        if len(same) > 1:
            masks = {path for path in same if looks_like_mask(path)}
            found |= masks if len(masks) < len(same) else set()
    return found


def truths_among(pictures: Sequence[Path], root: Path) -> set[Path]:
    """Those that are masks: beside their picture, in a folder that is named so, or in one that
    looks so and has the names of pictures elsewhere."""
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in pictures:
        folders[path.parent].append(path)
    truths = masks_beside(pictures)
    for folder, some in folders.items():
        if any(names_labels(part) for part in folder.relative_to(root).parts):
            truths |= {*some}
    return truths | _mask_folders(folders, truths)


def _mask_folders(folders: dict[Path, list[Path]], known: set[Path]) -> set[Path]:
    """The pictures of folders that look like masks and have the names of pictures elsewhere."""
    places: dict[str, set[Path]] = defaultdict(set)
    for folder, some in folders.items():
        for path in some:
            if path not in known:
                places[plain(path.stem)].add(folder)
    found: set[Path] = set()
    for folder, some in folders.items():
        shared = [path for path in some if any(places[s] - {folder} for s in mask_stems(path))]
        if shared and len(shared) * 2 >= len(some) and are_masks(shared):
            found |= set(some)
    return (
        found
        if any(path not in found | known for some in folders.values() for path in some)
        else set()
    )
