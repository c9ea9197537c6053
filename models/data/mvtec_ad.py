"""One object or texture of MVTec AD (Bergmann et al. 2021, Int. J. of Computer Vision 129:1038).

    train/good/000.png
    test/good/000.png  test/KIND/000.png
    ground_truth/KIND/000_mask.png

Any folder in this form can be read. The published division is ignored by default: methods that
learn from good parts need more held-back good parts for T than test/good has. A recipe with
`names = "^train/"` under [split] trains and sets T on train/ only. Then test/ is unknown when
`outfeed inspect` and models/evaluation/score.py evaluate it.
"""

from __future__ import annotations

from pathlib import Path

from models.data.dataset import (
    DataError,
    DataSet,
    MaskRef,
    Sample,
    binary_mask,
    files_in,
    read_pixels,
)
from models.data.generic import channels_of, read_groups

LAYOUT = "mvtec_ad"
LOOKS_FOR = "train/good/ and test/KIND/ with ground_truth/KIND/NNN_mask.png (MVTec AD)"
GOOD = "good"


def matches(root: Path) -> bool:
    """Return true if the folder `root` has this layout."""
    return (root / "train" / GOOD).is_dir() and (root / "test").is_dir()


def read(root: Path) -> DataSet:
    """Return the data set at `root`. Masks are read once, to find empty ones. Raises DataError.

    The kinds are the folders of test/. A defective picture without a mask is `unmasked`. Groups
    come from groups.csv (file,group; file inside the data folder); else each picture is its own
    part.
    """
    folders = [*_folders(root / "train"), *_folders(root / "test")]
    paths = [path for folder in folders for path in files_in(folder)]
    if not any(path.parent.name == GOOD for path in paths):
        raise DataError(f"{root}: holds no picture of a good part; expected {LOOKS_FOR}")
    groups = read_groups(root / "groups.csv", root, paths)
    samples = [_sample(path, root, groups.get(path)) for path in paths]
    _check_masks(root, {mask.path for sample in samples for mask in sample.masks})
    kinds = tuple(sorted({kind for sample in samples for kind in sample.kinds}))
    samples.sort(key=lambda sample: sample.name)
    return DataSet(root, LAYOUT, kinds, channels_of(paths), tuple(samples))


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _sample(path: Path, root: Path, group: str | None) -> Sample:
    name, kind = path.relative_to(root).as_posix(), path.parent.name
    if kind == GOOD:
        return Sample(name, path, group or name)
    if path.parent.parent.name == "train":
        raise DataError(f"{path}: is a defective part; expected only good ones in train/")
    mask = root / "ground_truth" / kind / f"{path.stem}_mask.png"
    drawn = mask.is_file() and bool(binary_mask(read_pixels(mask), mask).any())
    masks = (MaskRef(mask, kind),) if drawn else ()
    return Sample(name, path, group or name, (kind,), masks, not drawn)


def _check_masks(root: Path, known: set[Path]) -> None:
    """Raise DataError for a mask that is not empty and belongs to no picture."""
    for folder in _folders(root / "ground_truth"):
        for path in files_in(folder, (".png",)):
            if path not in known and binary_mask(read_pixels(path), path).any():
                raise DataError(
                    f"{path}: is a mask without an image; expected test/{folder.name}/"
                    f"{path.stem.removesuffix('_mask')}"
                )
