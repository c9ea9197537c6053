"""The layout of pictures sorted by hand: `good/`, and one folder for each kind of defect.

    good/0001.png                            good parts (or ok/, in capitals or not)
    scratch/0007.png  bad/0008.png           the folder is the kind, without a mask
    masks/scratch/0007.png                   masks of some pictures; NAME or NAME_mask
    groups.csv    file,group                 images of one part, file inside the data folder

A folder good/ that contains pictures only is read too when it is named itself: all are good parts.

A mask for a picture of another folder counts if only one picture has its name: masks/dent/0008
gives kind and place of the defect on bad/0008. An empty mask is ignored. The module
edge/data_folder recognises the files.
"""

from __future__ import annotations

from pathlib import Path

from edge.data_folder import FolderEntry, MaskFile, read_folder
from edge.data_folder.mask_checks import hidden, inverted, odd_colours
from edge.data_folder.names import GOOD_FOLDERS
from edge.data_folder.user_layout import is_good_folder
from models.data.dataset import (
    DataError,
    DataSet,
    MaskRef,
    Sample,
    binary_mask,
    read_pixels,
    refuse,
)
from models.data.generic import channels_of, read_groups

LAYOUT = "sorted"
LOOKS_FOR = "good/ or ok/, with other folders as kinds of defect (sorted)"


def matches(root: Path) -> bool:
    """Return true if the folder `root` has this layout."""
    if is_good_folder(root):
        return True
    return any(p.is_dir() and p.name.lower() in GOOD_FOLDERS for p in root.iterdir())


def read(root: Path) -> DataSet:
    """Return the data set at `root`. Every mask is read once, to find empty ones.

    Raises DataError that lists every fault.
    """
    folder = read_folder(root, LAYOUT)
    if folder.layout is None or not any(entry.kind == "" for entry in folder.entries):
        raise DataError(f"{root}: holds no picture of a good part; expected {LOOKS_FOR}")
    paths = list(folder.pictures)
    groups = read_groups(root / "groups.csv", root, [*paths, *folder.unlabelled])
    complaints = list(folder.complaints)
    samples = [_sample(entry, root, groups.get(entry.path), complaints) for entry in folder.entries]
    kinds = tuple(sorted({kind for sample in samples for kind in sample.kinds}))
    samples.sort(key=lambda sample: sample.name)
    dataset = DataSet(root, LAYOUT, kinds, channels_of(paths), tuple(samples))
    refuse(complaints, dataset)
    return dataset


def _sample(entry: FolderEntry, root: Path, group: str | None, complaints: list[str]) -> Sample:
    name = entry.path.relative_to(root).as_posix()
    if entry.kind == "":
        return Sample(name, entry.path, group or name)
    masks = tuple(ref for ref in (_ref(mask, complaints) for mask in entry.masks) if ref)
    kinds = {mask.kind for mask in masks if mask.kind} or {entry.kind or ""}
    return Sample(name, entry.path, group or name, tuple(sorted(kinds)), masks, not masks)


def _ref(mask: MaskFile, complaints: list[str]) -> MaskRef | None:
    """Return the mask unless it is empty; its faults are added to the complaints."""
    try:
        pixels = read_pixels(mask.path)
        drawn = binary_mask(pixels, mask.path)
        wrong = hidden(pixels, mask.path) or odd_colours(pixels, mask.path, flat=False)
        wrong = wrong or inverted(drawn, mask.path)
    except (DataError, OSError) as error:
        complaints.append(str(error))
        return None
    if wrong:
        complaints.append(wrong)
    return MaskRef(mask.path, mask.kind) if drawn.any() else None
