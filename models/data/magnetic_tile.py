"""Magnetic Tile surfaces (Huang et al., The Visual Computer 2020), in their published layout.

`MT_<kind>/Imgs/exp<e>_num_<n>.jpg` with a `.png` mask of the same stem; `MT_Free` is sound.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models.data.dataset import DataError, DataSet, MaskRef, Sample, binary_mask, read_pixels

log = logging.getLogger(__name__)

LAYOUT = "magnetic_tile"
LOOKS_FOR = "MT_<kind>/Imgs/*.jpg (Magnetic Tile)"
GOOD_FOLDER = "MT_Free"

# One tile was photographed at exposures 1 to 6 under rising num_. In the 758 images at hand no gap
# between neighbours whose exposure rises lies above 100 but nine, 125 to 1257, of which seven
# were looked at and show one tile. Where the exposure starts again, gaps up to 103 occur inside
# interleaved series of one place, and from 113 on the neighbours looked at (some 20 pairs) were
# different tiles.
SAME_PLACE_GAP = 110
SAME_SERIES_GAP = 1500

# Numbers of one tile that was photographed again much later. Found by correlating the 758 images
# without their vertical grain: the first pair of each reaches 0.83 or more, every other pair of
# tiles stays below 0.56; all three were then confirmed by eye.
SEEN_AGAIN = ((5892, 13549), (8676, 10642), (355732, 358149))

_STEM = re.compile(r"exp(\d+)_num_(\d+)")


@dataclass(frozen=True, slots=True, order=True)
class Shot:
    """One photograph by its file name: running number, exposure, path inside the data folder."""

    number: int
    exposure: int
    name: str


def matches(root: Path) -> bool:
    """Whether `root` looks like this layout."""
    return any(root.glob("MT_*/Imgs"))


def read(root: Path) -> DataSet:
    """The data set at `root`; masks are read once to find the empty ones. Raises DataError.

    Kinds are the folders but MT_Free, lower-case, alphabetical. An empty mask of a defective tile
    makes the sample `unmasked`.
    """
    folders = sorted(p for p in root.glob("MT_*") if (p / "Imgs").is_dir())
    paths = [p for folder in folders for p in sorted((folder / "Imgs").glob("*.jpg"))]
    if not paths:
        raise DataError(f"{root}: holds no image; expected {LOOKS_FOR}")
    groups = group_shots(_shot(path, root) for path in paths)
    samples = [_sample(path, root, groups) for path in paths]
    kinds = sorted({kind for sample in samples for kind in sample.kinds})
    ordered = sorted(samples, key=lambda sample: sample.name)
    return DataSet(root, LAYOUT, tuple(kinds), channels=1, samples=tuple(ordered))


def group_shots(shots: Iterable[Shot]) -> dict[str, str]:
    """Name of each shot to its tile, by contiguous runs of `number`, across kinds.

    A run goes on while the gap is at most SAME_PLACE_GAP, or at most SAME_SERIES_GAP while the
    exposure rises. Numbers run through the kinds: the same tile can lie in two of them. Runs that
    SEEN_AGAIN names are one tile, under the name of the earlier.
    """
    groups: dict[str, str] = {}
    by_number: dict[int, str] = {}
    last: Shot | None = None
    group = ""
    for shot in sorted(shots):
        gap = shot.number - last.number if last else SAME_SERIES_GAP + 1
        rises = last is not None and shot.exposure > last.exposure
        if gap > (SAME_SERIES_GAP if rises else SAME_PLACE_GAP):
            group = f"tile_{shot.number:06d}"
        groups[shot.name] = group
        by_number[shot.number] = group
        last = shot
    again = {by_number.get(later, ""): by_number.get(first) for first, later in SEEN_AGAIN}
    return {name: again.get(group) or group for name, group in groups.items()}


def _shot(path: Path, root: Path) -> Shot:
    match = _STEM.match(path.stem)
    if match is None:
        raise DataError(f"{path}: expected a name like exp1_num_4727.jpg")
    return Shot(int(match[2]), int(match[1]), path.relative_to(root).as_posix())


def _sample(path: Path, root: Path, groups: dict[str, str]) -> Sample:
    name = path.relative_to(root).as_posix()
    folder = path.parent.parent.name
    if folder == GOOD_FOLDER:
        return Sample(name, path, groups[name])
    kind = folder.removeprefix("MT_").lower()
    mask_path = path.with_suffix(".png")
    if not mask_path.is_file():
        raise DataError(f"{mask_path}: is missing; expected the mask of {name}")
    unmasked = not binary_mask(read_pixels(mask_path), mask_path).any()
    if unmasked:
        log.info("mask-empty image=%s kind=%s: defective, left out of training", name, kind)
    masks = () if unmasked else (MaskRef(mask_path, kind),)
    return Sample(name, path, groups[name], (kind,), masks, unmasked)
