"""The assignment of masks to pictures, and of kinds of defects to masks by their folders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.data_folder.contents import MaskFile
from edge.data_folder.names import is_good, kind_of, mask_stems, plain, telling

_Key = tuple[str, str]  # folder below the folder of pictures, stem; both plain


@dataclass(frozen=True, slots=True)
class Pairs:
    """The result. masks: the masks of each picture that has any. complaints: one line for each."""

    masks: dict[Path, tuple[MaskFile, ...]]
    complaints: tuple[str, ...]


def folder_of(path: Path, root: Path) -> str:
    """Return the folder of a file below ``root`` as a POSIX path; '' directly in ``root``."""
    parent = path.parent.relative_to(root).as_posix()
    return "" if parent == "." else plain(parent)


def pair(
    pictures: Sequence[Path],
    picture_root: Path,
    masks: Sequence[Path],
    mask_root: Path,
) -> Pairs:
    """Assign each mask to its picture.

    The mask of SUB/a is KIND/a, KIND/SUB/a, SUB/KIND/a or SUB/a. KIND/a is valid only if a single
    picture has the name a. NAME_mask, NAME_label, mask_NAME and NAME.png.png also belong to NAME.

    The kind is the part of the mask's folder that the picture's folder does not have, without
    train, test and the like. If both lie in the same folder, its name is the kind, unless it is
    neutral (dent is a kind, line2 is not).
    """
    complaints: list[str] = []
    images: dict[_Key, Path] = {}
    named: dict[str, list[Path]] = defaultdict(list)
    for path in pictures:
        key = (folder_of(path, picture_root), plain(path.stem))
        if key in images:
            complaints.append(
                f"{path}: has the same name as {images[key].name} but for the suffix; "
                "expected one image per name"
            )
            continue
        images[key] = path
        named[key[1]].append(path)
    good = {path for (folder, _), path in images.items() if is_good(folder)}
    found: dict[Path, list[MaskFile]] = defaultdict(list)
    for path in masks:
        folder, stems = folder_of(path, mask_root), mask_stems(path)
        match = _match(folder, stems, images) or _anywhere(folder, stems, named, good)
        if match is not None:
            image, kind = match
            found[image].append(MaskFile(path, kind))
        else:
            complaints.append(_unmatched(path, folder, stems, named, picture_root))
    return Pairs({image: tuple(each) for image, each in found.items()}, tuple(complaints))


def _match(
    folder: str, stems: tuple[str, ...], images: dict[_Key, Path]
) -> tuple[Path, str] | None:
    """The picture in a folder that the mask's folder names, and the kind."""
    parts = tuple(folder.split("/")) if folder else ()
    for stem in stems:
        if (folder, stem) in images:
            return images[folder, stem], telling(parts)
        for cut in range(1, len(parts) + 1):
            kind, sub = parts[:cut], "/".join(parts[cut:])
            if (sub, stem) in images:
                return images[sub, stem], kind_of(kind)
        for cut in range(len(parts) - 1, 0, -1):
            sub, kind = "/".join(parts[:cut]), parts[cut:]
            if (sub, stem) in images:
                return images[sub, stem], kind_of(kind)
    return None


def _anywhere(
    folder: str, stems: tuple[str, ...], named: dict[str, list[Path]], good: set[Path]
) -> tuple[Path, str] | None:
    """The one picture of that name, or the one of those that are not in good/."""
    for stem in stems:
        some = named.get(stem, [])
        bad = [path for path in some if path not in good]
        for each in (some, bad):
            if len(each) == 1:
                return each[0], kind_of(tuple(folder.split("/")) if folder else ())
    return None


def _unmatched(
    path: Path,
    folder: str,
    stems: tuple[str, ...],
    named: dict[str, list[Path]],
    picture_root: Path,
) -> str:
    several = next((named[stem] for stem in stems if stem in named), None)
    if several:
        sub = folder_of(several[0], picture_root)
        place = "/".join(part for part in (path.parent.name, sub, path.name) if part)
        return (
            f"{path}: may be of any of {len(several)} images named {several[0].stem}; expected the "
            f"mask in the sub-folder of its image too, as {place}"
        )
    wanted = stems[-1]
    line = f"{path}: is a mask without an image; expected an image named {wanted} in {picture_root}"
    other = next((stem for stem in named if stem.lower() in {s.lower() for s in stems}), None)
    return f"{line} (there is {named[other][0].name}: capitals differ)" if other else line
