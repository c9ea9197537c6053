"""Pictures sorted by hand, without masks: `good/`, and a folder per kind of defect where some were
kept.

    good/0001.png                            good parts (or ok/, in capitals or not)
    scratch/0007.png  bad/0008.png           the folder is the kind; nobody drew where
    masks/scratch/0007.png                   drawn for some; NAME or NAME_mask
    groups.csv    file,group                 images of one part, file inside the data folder

A mask for a picture of another folder counts where only one picture has its name: masks/dent/0008
tells where and what the defect of bad/0008 is. An empty mask says nothing.
"""

from __future__ import annotations

from pathlib import Path

from models.data.dataset import (
    DataError,
    DataSet,
    MaskRef,
    Sample,
    binary_mask,
    image_files,
    read_pixels,
)
from models.data.generic import GOOD_FOLDERS, channels_of, read_groups

LAYOUT = "sorted"
LOOKS_FOR = "good/ or ok/, with other folders as kinds of defect (sorted)"
MASKS = "masks"

_Key = tuple[str, str]  # folder below the data folder, stem


def matches(root: Path) -> bool:
    """Whether `root` looks like this layout."""
    return any(p.is_dir() and p.name.lower() in GOOD_FOLDERS for p in root.iterdir())


def read(root: Path) -> DataSet:
    """The data set at `root`; every mask is read once, to find the empty ones. Raises DataError."""
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    paths = [path for folder in folders if folder.name != MASKS for path in image_files(folder)]
    good = [path for path in paths if _is_good(path, root)]
    if not good:
        raise DataError(f"{root}: holds no picture of a good part; expected {LOOKS_FOR}")
    masks = _masks(root, paths)
    groups = read_groups(root / "groups.csv", root, paths)
    samples = [_sample(path, root, masks.get(path, []), groups.get(path)) for path in paths]
    kinds = tuple(sorted({kind for sample in samples for kind in sample.kinds}))
    samples.sort(key=lambda sample: sample.name)
    return DataSet(root, LAYOUT, kinds, channels_of(paths), tuple(samples))


def _is_good(path: Path, root: Path) -> bool:
    return path.relative_to(root).parts[0].lower() in GOOD_FOLDERS


def _sample(path: Path, root: Path, masks: list[MaskRef], group: str | None) -> Sample:
    relative = path.relative_to(root)
    name = relative.as_posix()
    if _is_good(path, root):
        return Sample(name, path, group or name)
    kinds = {mask.kind for mask in masks if mask.kind} or {relative.parts[0]}
    return Sample(name, path, group or name, tuple(sorted(kinds)), tuple(masks), not masks)


def _masks(root: Path, paths: list[Path]) -> dict[Path, list[MaskRef]]:
    """The masks that are drawn on, by image."""
    images: dict[_Key, Path] = {}
    for path in paths:
        key = _key(path, root)
        if key in images:
            raise DataError(
                f"{path}: has the same name as {images[key].name} but for the suffix; "
                "expected one image per name"
            )
        images[key] = path
    found: dict[Path, list[MaskRef]] = {}
    folder = root / MASKS
    for path in image_files(folder) if folder.is_dir() else []:
        kind, stem = _key(path, folder)
        if not kind:
            raise DataError(f"{path}: lies in no folder; expected {MASKS}/KIND/{path.name}")
        image = _image_of((kind, stem), images, path)
        if _is_good(image, root):
            raise DataError(
                f"{path}: is a mask of {image.relative_to(root).as_posix()}, a good part; expected "
                "an image in the folder of a kind"
            )
        if binary_mask(read_pixels(path), path).any():
            found.setdefault(image, []).append(MaskRef(path, kind.partition("/")[0]))
    return found


def _image_of(key: _Key, images: dict[_Key, Path], mask: Path) -> Path:
    """In the folder of the mask's name, else the only one of that name anywhere."""
    folder, stem = key
    stems = (stem, stem.removesuffix("_mask"))
    for each in stems:
        if (folder, each) in images:
            return images[folder, each]
    for each in stems:
        named = [path for (_, other), path in images.items() if other == each]
        if len(named) == 1:
            return named[0]
        if named:
            raise DataError(
                f"{mask}: may be of any of {len(named)} images named {each}; expected one of that "
                f"name in {folder}/"
            )
    raise DataError(f"{mask}: is a mask without an image; expected {folder}/{stems[-1]}")


def _key(path: Path, root: Path) -> _Key:
    parent = path.parent.relative_to(root).as_posix()
    return "" if parent == "." else parent, path.stem
