"""One division of a published set into a training side and a test side.

Each side is listed by a function of its own, which reads only files of its side. The training side
is listed before anything is trained, the test side after the bundle is packed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.images import IMAGE_SUFFIXES
from models.data.dataset import (
    DataError,
    DataSet,
    MaskRef,
    Sample,
    binary_mask,
    files_in,
    read_pixels,
)

Supervision = Literal["good", "masks", "marks"]
Side = Callable[[], tuple[Sample, ...]]
KIND = "defect"


@dataclass(frozen=True, slots=True)
class Fold:
    """A division of a set, or of one of its categories.

    name: the category or fold, of lower-case letters, digits and hyphens; "" for the only one.
    root: the folder to which the names of samples are relative. remark: how this copy differs from
    the published one, or "".
    """

    name: str
    root: Path
    train: Side
    test: Side
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Protocol:
    """A published set and its protocol.

    supervisions: the kinds of annotation that its training side offers, the usual one first.
    folds: list the divisions of a copy; raises DataError. division: one line for the tables.
    leaks: one part is on both sides, so the figures are too good. balanced: published figures are
    accuracies, so escapes and false rejects are weighed alike where a recipe states no limit.
    """

    name: str
    title: str
    supervisions: tuple[Supervision, ...]
    folds: Callable[[Path], tuple[Fold, ...]]
    division: str
    leaks: bool = False
    balanced: bool = False


def side_of(root: Path, samples: Iterable[Sample]) -> DataSet:
    """Return the samples of one side as a data set, ordered by name. Masks are not read."""
    ordered = tuple(sorted(samples, key=lambda sample: sample.name))
    kinds = tuple(sorted({kind for sample in ordered for kind in sample.kinds}))
    return DataSet(root, "public", kinds, channels=3, samples=ordered)


def slug(name: str) -> str:
    """Return a name of lower-case letters, digits and hyphens."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def pictures_in(folder: Path, expected: str) -> list[Path]:
    """Return the pictures directly in a folder. Raises DataError where there is none."""
    paths = files_in(folder) if folder.is_dir() else []
    if not paths:
        missing = "holds no picture" if folder.is_dir() else "is missing"
        raise DataError(f"{folder}: {missing}; expected {expected}")
    return paths


def good_sample(path: Path, root: Path, group: str = "") -> Sample:
    name = path.relative_to(root).as_posix()
    return Sample(name, path, group or name)


def defective_sample(
    path: Path, root: Path, mask: Path | None, *, kind: str = KIND, nonzero: bool = False
) -> Sample:
    """Return a defective sample. It is ``unmasked`` without a mask, or where nothing is drawn.

    nonzero: every value above 0 is the defect. Raises DataError for a mask that cannot be read.
    """
    name = path.relative_to(root).as_posix()
    masks: tuple[MaskRef, ...] = ()
    if mask is not None:
        pixels = read_pixels(mask)
        if (pixels > 0 if nonzero else binary_mask(pixels, mask)).any():
            masks = (MaskRef(mask, kind, nonzero=nonzero),)
    return Sample(name, path, name, (kind,), masks, not masks)


def mask_beside(folder: Path, stem: str) -> Path | None:
    """Return the picture of this stem in a folder of masks, whatever its suffix; else None."""
    for suffix in IMAGE_SUFFIXES:
        for ending in (suffix, suffix.upper()):
            if (folder / (stem + ending)).is_file():
                return folder / (stem + ending)
    return None


def categories(root: Path, first: str, expected: str) -> list[Path]:
    """Return the folder itself if ``first`` is in it, else its folders that have it, by name.

    Raises DataError where there is none.
    """
    if not root.is_dir():
        raise DataError(f"{root}: is not a folder; expected {expected}")
    if (root / first).is_dir():
        return [root]
    listed = sorted(p for p in root.iterdir() if (p / first).is_dir())
    if not listed:
        raise DataError(f"{root}: has no {first} in it or in its folders; expected {expected}")
    return listed
