"""DAGM 2007 textures (Wieler and Hahn, "Weakly supervised learning for industrial optical
inspection", DAGM symposium 2007), as published: ten made-up textures, each with its own defect.

`Class<n>/Train/<nnnn>.PNG` and `Class<n>/Test/`, 512×512 grey. A picture with a defect has a
`Label/<nnnn>_label.PNG` beside it: an ellipse drawn around the defect, so a weak label that covers
sound surface too. Classes 1 to 6 have 1000 good and 150 defective pictures, 7 to 10 twice as many.
"""

from __future__ import annotations

import logging
import re
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

log = logging.getLogger(__name__)

LAYOUT = "dagm2007"
LOOKS_FOR = "Class<n>/Train/*.PNG with Class<n>/Train/Label/ (DAGM 2007)"
SIDES = ("Train", "Test")

_CLASS = re.compile(r"Class\d+")
_STEM = re.compile(r"\d+")


def matches(root: Path) -> bool:
    """Return true if `root` has this layout, or is one of its class folders."""
    return any((folder / side / "Label").is_dir() for folder in classes(root) for side in SIDES)


def read(root: Path) -> DataSet:
    """Return the data set at `root`, or of one class if `root` is its folder. Raises DataError.

    Kinds are class1 to class10, in alphabetical order. Each picture is its own group, because all
    are drawn independently. `split` makes its own division and ignores the published one into Train
    and Test, which only the names still show. Labels are read once; an empty one makes the sample
    `unmasked`.
    """
    samples = [
        sample
        for folder, kind in classes(root).items()
        for side in SIDES
        if (folder / side).is_dir()
        for sample in samples_of(folder / side, kind, root)
    ]
    if not samples:
        raise DataError(f"{root}: holds no image; expected {LOOKS_FOR}")
    kinds = sorted({kind for sample in samples for kind in sample.kinds})
    ordered = sorted(samples, key=lambda sample: sample.name)
    return DataSet(root, LAYOUT, tuple(kinds), channels=1, samples=tuple(ordered))


def classes(root: Path) -> dict[Path, str]:
    """Return the folders of the classes, each with its kind."""
    own = root.resolve().name
    if _CLASS.fullmatch(own):
        return {root: own.lower()}
    folders = sorted(root.glob("Class*"))
    return {p: p.name.lower() for p in folders if _CLASS.fullmatch(p.name) and p.is_dir()}


def samples_of(folder: Path, kind: str, root: Path) -> list[Sample]:
    """Return the pictures of Class<n>/Train or Class<n>/Test. Raises DataError."""
    label_root = folder / "Label"
    if not label_root.is_dir():
        raise DataError(f"{label_root}: is missing; expected the labels of {folder.name}")
    paths = files_in(folder, (".png",))
    for path in paths:
        if not _STEM.fullmatch(path.stem):
            raise DataError(f"{path}: expected a name like 0576.PNG")
    labels = {path.stem: path for path in files_in(label_root, (".png",))}
    samples = [_sample(path, labels.pop(f"{path.stem}_label", None), kind, root) for path in paths]
    if labels:
        label = next(iter(labels.values()))
        raise DataError(f"{label}: is a label without an image; expected 0576_label.PNG for 0576")
    _check_list(label_root / "Labels.txt", samples)
    return samples


def _sample(path: Path, label: Path | None, kind: str, root: Path) -> Sample:
    name = path.relative_to(root).as_posix()
    if label is None:
        return Sample(name, path, name)
    unmasked = not binary_mask(read_pixels(label), label).any()
    if unmasked:
        log.info("mask-empty image=%s kind=%s: defective, left out of training", name, kind)
    masks = () if unmasked else (MaskRef(label, kind),)
    return Sample(name, path, name, (kind,), masks, unmasked)


def _check_list(path: Path, samples: list[Sample]) -> None:
    """Check that the label of each defective picture in Labels.txt exists, if there is such a file.

    Its lines are tab-separated: number, 1 for a defect, image, 0, label or 0. The first line is
    short.
    """
    if not path.is_file():
        return
    good = {sample.image_path.name for sample in samples if sample.is_good}
    for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        fields = line.split("\t")
        if len(fields) >= 3 and fields[1] == "1" and fields[2] in good:
            label = path.parent / f"{Path(fields[2]).stem}_label.PNG"
            raise DataError(f"{label}: is missing; expected it, because Labels.txt lists a defect")
