"""KolektorSDD commutators (Tabernik et al., J. of Intelligent Manufacturing 2020), as published.

`kos<nn>/Part<m>.jpg` with a `Part<m>_label.bmp`, about 500×1260. A `kos` folder is one commutator,
photographed at eight places of its surface. The publishers annotate one class, a surface "defect",
which they describe as fractions and cracks of the plastic. It is the only kind.
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

LAYOUT = "kolektorsdd"
LOOKS_FOR = "kos<nn>/Part<m>.jpg with Part<m>_label.bmp (KolektorSDD)"
KIND = "defect"

_STEM = re.compile(r"Part\d+")


def matches(root: Path) -> bool:
    """Return true if the folder `root` has this layout."""
    return any(root.glob("kos[0-9]*/Part*.jpg"))


def read(root: Path) -> DataSet:
    """Return the data set at `root`. Labels are read once, to find empty ones. Raises DataError.

    The only kind is `defect`. The group is the commutator. A picture with an empty label is good.
    """
    folders = sorted(p for p in root.glob("kos[0-9]*") if p.is_dir())
    samples = [sample for folder in folders for sample in samples_of(folder, root)]
    if not samples:
        raise DataError(f"{root}: holds no image; expected {LOOKS_FOR}")
    kinds = (KIND,) if any(sample.kinds for sample in samples) else ()
    ordered = sorted(samples, key=lambda sample: sample.name)
    return DataSet(root, LAYOUT, kinds, channels=1, samples=tuple(ordered))


def samples_of(folder: Path, root: Path) -> list[Sample]:
    """Return the samples of one part. Its labels are read, and no other file. Raises DataError."""
    paths = files_in(folder, (".jpg",))
    labels = {path.with_name(f"{path.stem}_label.bmp"): path for path in paths}
    for label in files_in(folder, (".bmp",)):
        if label not in labels:
            raise DataError(
                f"{label}: is a label without an image; expected "
                f"{label.stem.removesuffix('_label')}.jpg beside it"
            )
    return [_sample(path, label, root) for label, path in labels.items()]


def _sample(path: Path, label: Path, root: Path) -> Sample:
    name = path.relative_to(root).as_posix()
    if not _STEM.fullmatch(path.stem):
        raise DataError(f"{path}: expected a name like Part0.jpg")
    if not label.is_file():
        raise DataError(f"{label}: is missing; expected the label of {name}, empty for a good part")
    if not binary_mask(read_pixels(label), label).any():
        return Sample(name, path, path.parent.name)
    return Sample(name, path, path.parent.name, (KIND,), (MaskRef(label, KIND),))
